"""Where the reports of long runs go: looked at before the run, so that nobody waits for minutes to learn of a typo."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from model.errors import InvalidInput


def prepare(path: Path) -> None:
    """Make the directory of a file that is to be written later; InvalidInput where the file could not be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be written: no directory can be made at {error.filename} ({error.strerror}); "
            "choose another place"
        ) from error
    if path.is_dir():
        raise InvalidInput(f"{path} cannot be written: it is a directory; name a file in it")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InvalidInput(f"{path} cannot be written: you have no right to; choose another place")


def write_json(content: Any, path: Path) -> None:
    """As a person reads it, and with its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
