"""Pages of the site that are made: of results, of scripts and examples."""

import ast
import re
from pathlib import Path

from scripts.site.links import ROOT, name
from studies import catalogue

DATA = {".json", ".jsonl", ".parquet"}
_CODE_LINK = re.compile(r"\]\((\.\./)+((?:studies|examples|benchmarks|scripts|src)/[\w/.-]+\.py)\)")


def results(root: Path = ROOT) -> str:
    """What the page of results ends with: every experiment and study, its report and its data."""
    parts = ["", "## Experiments\n"]
    folders = sorted(path.parent for path in root.glob("results/*/index.html"))
    parts += [_experiment(folder, root, "###") for folder in folders]
    parts += ["## Departures from them\n", "The same sweeps with one thing changed.\n"]
    folders = sorted(path.parent for path in root.glob("results/departures/*/index.html"))
    parts += [_experiment(folder, root, "###") for folder in folders]
    parts += ["## Studies\n"]
    parts += [
        _study(study, root)
        for study in catalogue.names()
        if (root / "results" / study).is_dir() and study != "experiments"
    ]
    parts += ["## More\n", _others(root)]
    return "\n".join(parts)


def _experiment(folder: Path, root: Path, level: str) -> str:
    path = f"../{folder.relative_to(root).as_posix()}"
    command = (
        f"`flatfast reproduce {folder.name} --full`"
        if folder.parent.name == "results"
        else "`python -m studies experiments`"
    )
    return (
        f"{level} {folder.name} {{#{folder.name}}}\n\n"
        f"[Report]({path}) · made by {command} · {_data(folder, root)}\n"
    )


def _study(study: str, root: Path) -> str:
    folder = root / "results" / study
    told = [
        page
        for page in sorted((root / "docs").glob("*.md"))
        if f"<!-- quote:{study}." in page.read_text(encoding="utf-8")
    ]
    pages = ", ".join(f"[{heading(page)}]({page.name})" for page in told)
    lines = [
        f"### {study} {{#{study}}}\n",
        f"{catalogue.question(study)}\n",
        f"Discussed in {pages}. " if pages else "",
        f"Made by `python -m studies {study}` · {_data(folder, root)}\n",
    ]
    return "\n".join(line for line in lines if line)


def _others(root: Path) -> str:
    known = {*catalogue.names(), "departures"}
    return "\n".join(
        f"### {folder.name} {{#{folder.name}}}\n\n{_data(folder, root)}\n"
        for folder in sorted((root / "results").iterdir())
        if folder.is_dir()
        and (folder.name not in known or folder.name == "experiments")
        and not (folder / "index.html").exists()
    )


def _data(folder: Path, root: Path) -> str:
    """Links to the files of data that lie in a folder, with their sizes."""
    files = sorted(path for path in folder.iterdir() if path.suffix in {*DATA, ".html"})
    return "data: " + (
        ", ".join(
            f"[{file.name}](../{file.relative_to(root).as_posix()}) ({size(file.stat().st_size)})"
            for file in files
            if file.name != "index.html"
        )
        or "none"
    )


def size(count: int) -> str:
    """A number of bytes as people read it."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{max(count / 1e3, 0.1):.1f} kB"


def heading(page: Path) -> str:
    """A page's first heading."""
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else page.stem


def examples(root: Path = ROOT) -> str:
    """The page that lists the examples, each with what its docstring says first."""
    lines = [
        "# Examples\n",
        "Complete scripts to start from, each run by the tests on tiny settings.\n",
    ]
    for file in sorted((root / "examples").glob("*.py")):
        lines.append(f"- [{file.name}](examples/{file.name}): {first_sentence(file)}")
    return "\n".join(lines) + "\n"


def first_sentence(file: Path) -> str:
    """The first paragraph of a script's docstring, in one line."""
    told = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(told.split("\n\n")[0].split()).replace("``", "`")


def code(path: str, root: Path = ROOT) -> str:
    """A script of the repository as a page."""
    source = (root / path).read_text(encoding="utf-8")
    fence = "`" * 4
    return f"# {Path(path).name}\n\n`{path}`\n\n{fence}python\n{source}{fence}\n"


def linked_code(root: Path = ROOT) -> list[str]:
    """Scripts that get a page: the examples, and those to which pages of ``docs`` link."""
    found = {path.relative_to(root).as_posix() for path in (root / "examples").glob("*.py")}
    for page in (root / "docs").rglob("*.md"):
        found |= {match[2] for match in _CODE_LINK.finditer(page.read_text(encoding="utf-8"))}
    return sorted(found)


def result_files(root: Path = ROOT) -> list[str]:
    """Files of results that belong to the site, by their paths in the repository."""
    kept = {*DATA, ".html", ".png", ".svg"}
    return sorted(
        path.relative_to(root).as_posix()
        for path in (root / "results").rglob("*")
        if path.is_file() and path.suffix in kept and "chunks" not in path.parts
    )


__all__ = [
    "code",
    "examples",
    "first_sentence",
    "heading",
    "linked_code",
    "name",
    "result_files",
    "results",
    "size",
]
