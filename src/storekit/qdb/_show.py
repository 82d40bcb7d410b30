"""Representations of values in a shell and in a notebook."""

import html
from collections.abc import Mapping
from datetime import datetime

__all__ = ["moment", "shorten", "table"]

_LONGEST = 60


def shorten(text: str) -> str:
    """Return a text of bounded length."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def moment(when: datetime) -> str:
    """Return a time in UTC as text, to the second."""
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def table(rows: Mapping[str, object]) -> str:
    """Return an HTML table with a title and a value in each row."""
    cells = "".join(
        f"<tr><th>{html.escape(title)}</th><td>{html.escape(shorten(str(value)))}</td></tr>"
        for title, value in rows.items()
    )
    return f"<table>{cells}</table>"
