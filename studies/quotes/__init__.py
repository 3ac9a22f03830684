"""README and docs quote committed results: tables found beside their studies, filled in pages."""
