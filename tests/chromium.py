"""The browser that pages are tried in, and how long it may take."""

import shutil

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
WAIT = 60_000  # milliseconds; a busy machine is slow to do what takes a tenth of a second
