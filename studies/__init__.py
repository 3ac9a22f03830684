"""Questions to nature: each a package of this folder, behind ``python -m studies``."""
