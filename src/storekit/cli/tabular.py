"""Rows as a table that fits the terminal."""

import json
from collections.abc import Iterator, Mapping, Sequence

from storekit._extras import require
from storekit.cli.output import visible

__all__ = ["fitted", "table_lines"]

_NARROWEST = 8
"""Minimum width of a column, in characters; columns for which there is no room are left out."""

_LONGEST = 500
"""Maximum number of characters of a cell."""

_GAP = "  "


def table_lines(rows: Sequence[Mapping[str, object]], width: int) -> Iterator[str]:
    """Return the lines of a table, header first. If columns are left out, the last says so."""
    require("a table", "cli", "rich")
    from rich.cells import cell_len  # noqa: PLC0415 - only for commands that print a table

    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        yield "no rows"
        return
    columns = [[_cell(name), *(_cell(row.get(name)) for row in rows)] for name in names]
    natural = [max(map(cell_len, column)) for column in columns]
    count = _count_that_fits(natural, width)
    numeric = [all(_is_number(row.get(name)) for row in rows) for name in names[:count]]
    if count < len(names):
        more = f"+{len(names) - count} more"
        columns[count:] = [[more, *("..." for _ in rows)]]
        natural[count:] = [len(more)]
        numeric.append(False)
    widths = fitted(natural, width - len(_GAP) * (len(columns) - 1))
    header, *cells = zip(*columns, strict=True)
    yield _line(header, widths, numeric)
    yield "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))
    for line in cells:
        yield _line(line, widths, numeric)


def _count_that_fits(natural: Sequence[int], width: int) -> int:
    """Return for how many columns there is room, at their minimum width."""
    least = [min(each, _NARROWEST) + len(_GAP) for each in natural]
    if sum(least) <= width + len(_GAP):
        return len(natural)
    left = width - _NARROWEST  # for the column that says how many are left out
    count = 0
    while count < len(least) and least[count] <= left:
        left -= least[count]
        count += 1
    return max(1, count)


def fitted(natural: Sequence[int], room: int) -> list[int]:
    """Return widths of columns: narrow ones keep their natural width, the others share the rest."""
    widths = [0] * len(natural)
    left = room
    by_width = sorted(range(len(natural)), key=natural.__getitem__)
    for done, column in enumerate(by_width):
        widths[column] = max(1, min(natural[column], left // (len(natural) - done)))
        left -= widths[column]
    return widths


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415 - as above

    parts = []
    for cell, width, is_number in zip(cells, widths, numeric, strict=True):
        length = cell_len(cell)
        if length > width:
            parts.append(set_cell_size(cell, width - 1) + "…")
        else:
            space = " " * (width - length)
            parts.append(space + cell if is_number else cell + space)
    return _GAP.join(parts).rstrip()


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return visible(text[:_LONGEST])
