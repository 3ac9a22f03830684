"""The committed reports' pages in today's form: after a change of the template, without a run.

    python -m scripts.pages

Tells those that have changed.
"""

from pathlib import Path

from flatfast.lab.report.rewrite import rewrite_page

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Write those that have changed, and tell them."""
    for path in sorted((ROOT / "results").glob("**/index.html")):
        before = path.read_bytes()
        if rewrite_page(path.parent).read_bytes() != before:
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
