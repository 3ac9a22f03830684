"""Where the explorer and its page are, and the programs that its tests need."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
EXPLORER = ROOT / "explorer"
PAGE = ROOT / "docs" / "explorer.html"
SUMMARY = ROOT / "results" / "scalar-product" / "summary.json"
NODE = shutil.which("node")
