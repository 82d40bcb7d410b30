"""The files of the page, with their ETags, in memory."""

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files

__all__ = ["PAGE", "Asset", "assets"]

PAGE = "console.html"

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page."""

    content: bytes
    content_type: str
    etag: str


@cache
def assets() -> dict[str, Asset]:
    """Return all files by name."""
    found = {}
    for file in (files(__package__) / "static").iterdir():
        _, _, ending = file.name.rpartition(".")
        if ending in _TYPES:
            content = file.read_bytes()
            etag = f'"{sha256(content).hexdigest()[:32]}"'
            found[file.name] = Asset(content, _TYPES[ending], etag)
    return found
