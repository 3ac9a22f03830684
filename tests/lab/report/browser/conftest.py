"""A browser that visits reports; no request may leave them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.chromium import WAIT

from flatfast.lab.report import Study, write_report


@pytest.fixture(scope="session")
def report(tested: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tested, tmp_path_factory.mktemp("report"))


@pytest.fixture
def visit(browser: Any, report: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page; at the end there must have been no other request and no message."""
    contexts, requests, messages, opened = [], [], [], set()

    def open_page(path: Path = report, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        opened.add(path.as_uri())
        page.goto(path.as_uri(), wait_until="load", timeout=WAIT)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert messages == []
    assert {url for url in requests if not url.startswith(("data:", "blob:"))} == opened
