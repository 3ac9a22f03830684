"""``manifest.json``: what the runs in a sweep's folder are, and who began it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flatfast.lab.atomic import atomically
from flatfast.lab.machine import machine, versions

MANIFEST = "manifest.json"

FORMAT = 2
"""Version of the folder's layout and of the rows' columns."""

READABLE = (1, FORMAT)
"""Formats that can be read. In the first, chunks do not say which sweep they belong to."""


class StoreError(RuntimeError):
    """A folder cannot hold the runs; the message says why and what to do."""


class NotAManifestError(StoreError):
    """There is no manifest, or the file is not one of ours."""


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a sweep's folder.

    Raises:
        NotAManifestError: If there is none, or it is not one.
        StoreError: If it cannot be read, or is of another format.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotAManifestError(
            f"{folder} holds no sweep (no {MANIFEST}); flatfast sweep and flatfast reproduce "
            "make one, and the command that made a sweep puts a lost one back"
        ) from None
    except IsADirectoryError:
        raise NotAManifestError(f"{path} is not a manifest: it is a folder") from None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise NotAManifestError(f"{path} is not a manifest: {error}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("settings"), dict):
        raise NotAManifestError(f"{path} is not a manifest of flatfast: it has no settings")
    if manifest.get("format") not in READABLE:
        raise StoreError(
            f"{path} is of format {manifest.get('format')!r}, this version reads "
            f"{' and '.join(map(str, READABLE))}; give another folder with --out"
        )
    return manifest


def write_manifest(folder: Path, settings: Mapping[str, Any], command: str) -> dict[str, Any]:
    """Write the manifest of a sweep that begins now.

    Args:
        folder: An existing folder.
        settings: JSON values that identify the runs.
        command: The command line, for the record.

    Returns:
        The manifest.

    Raises:
        OSError: If it cannot be written.
    """
    manifest = {
        "format": FORMAT,
        "settings": settings,
        "machine": machine(),
        "versions": versions(),
        "command": command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with atomically(folder / MANIFEST) as partial:
        partial.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def differences(stored: Mapping[str, Any], asked: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Which settings differ, in words."""
    found = []
    for name in sorted(stored.keys() | asked.keys()):
        there, here = stored.get(name), asked.get(name)
        if isinstance(there, dict) and isinstance(here, dict):
            found += differences(there, here, f"{prefix}{name}.")
        elif there != here:
            found.append(f"{prefix}{name} is {there!r} there, {here!r} here")
    return found
