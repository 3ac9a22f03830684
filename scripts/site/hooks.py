"""What MkDocs asks while it builds the site (``hooks`` in ``mkdocs.yml``)."""

from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from scripts.site import assistants, pages, tutorials
from scripts.site.links import COPIED, PAGES, ROOT, NoPlaceError, named, place, rewritten
from scripts.site.percent import FOLDER, ORDER

KEPT = ROOT / "build" / "tutorials"
"""What tutorials gave when they were last run."""

IN_PLACE = ""
"""The source of a page whose links are those of the site already."""

_SOURCES: dict[str, str] = {}
"""Of a page that is made: where in the repository it stands, to which its links are relative."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies outside ``docs``."""

    def page(uri: str, source: str, content: str) -> None:
        _SOURCES[uri] = source
        files.append(File.generated(config, uri, content=content))

    def copy(uri: str) -> None:
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / uri)))

    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        page(PAGES[name], name, (ROOT / name).read_text(encoding="utf-8"))
    page(PAGES["examples"], "README.md", pages.examples())
    page(PAGES["tutorials"], IN_PLACE, tutorials.contents())
    for name in ORDER:
        result = tutorials.shown(name, KEPT)
        page(f"tutorials/{name}.md", IN_PLACE, tutorials.page(name, result))
        picture = {"": result.light, "-dark": result.dark}
        for suffix, svg in picture.items():
            files.append(File.generated(config, f"tutorials/{name}{suffix}.svg", content=svg))
        script = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
        files.append(File.generated(config, f"tutorials/{name}.py", content=script))
        copy(f"tutorials/{name}.ipynb")
    for script in pages.linked_code():
        page(f"code/{script}.md", script, pages.code(script))
    texts = {"llms.txt": assistants.llms(_address), "llms-full.txt": assistants.full()}
    for name, text in texts.items():
        files.append(File.generated(config, name, content=text))
    for name in (*COPIED, *pages.result_files()):
        if (ROOT / name).is_file():
            copy(name)
    return files


def _titles(nav: Any) -> dict[str, str]:
    """File names of pages to how the navigation calls them."""
    found: dict[str, str] = {}
    for entry in nav:
        for title, under in entry.items() if isinstance(entry, dict) else ():
            found |= {under: title} if isinstance(under, str) else _titles(under)
    return found


def _address(path: str) -> str:
    return place(path).removesuffix(".md") + ".html"


def on_page_markdown(markdown: str, page: Any, config: MkDocsConfig, **_: Any) -> str:
    """A page's links as the site has them."""
    uri = page.file.src_uri
    source = _SOURCES.get(uri, f"docs/{uri}")
    if source == IN_PLACE:
        return markdown
    if uri == PAGES["results"]:
        markdown += pages.results()
    try:
        return rewritten(named(markdown, _titles(config["nav"])), source)
    except NoPlaceError as error:
        raise PluginError(str(error)) from None
