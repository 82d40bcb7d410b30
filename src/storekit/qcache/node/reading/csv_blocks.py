"""Parses a CSV table while it arrives: in blocks of whole lines, by a few threads.

Each block is parsed as `read_csv` parses a whole text. Columns whose types differ between blocks
are parsed again, as text; text with quotes, lone CRs or blank lines is parsed again as a whole. So
the table is the same as that of `read_csv`.
"""

import threading
from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.categories import as_text, fitting
from storekit.qcache.node.errors import BadTable, TooLarge
from storekit.qcache.node.reading.csv import (
    cells_of,
    check_rows,
    may_have_blank_lines,
    read_csv,
    typed,
    typed_cells,
)
from storekit.qcache.node.reading.csv_text import CsvRows, header_of, plain_rows, rows_in
from storekit.qcache.node.reading.limits import take_cells
from storekit.qcache.node.reading.types import begins_with_text, guess, infer
from storekit.qcache.node.tables import BOOL, FLOAT, INT, TEXT

__all__ = ["CsvBlocks"]

_READERS = 2
"""Threads that parse one table. Polars has its own threads besides."""

_SAMPLE = 2**20
"""Bytes of the sample in which text columns with few different values are detected."""

_GUESSED_ROWS = 500


class _Plan(NamedTuple):
    """How columns are parsed, determined from the first rows."""

    dtypes: dict[str, pl.DataType]  # text of few values as categories
    texts: frozenset[str]  # columns that are text in any case
    decimals: frozenset[str]  # columns whose first values are numbers, not all whole


class CsvBlocks:
    """A table that arrives in blocks, each of which, except the last, ends with a line.

    Thread-safe: one thread adds blocks, any may parse. `types`: the declared types of columns.
    """

    def __init__(self, types: Mapping[str, str], budget: Budget) -> None:
        self._types = types
        self._budget = budget
        self._height = 0  # rows of blocks that were parsed, or are being parsed
        self._blocks: list[bytes] = []
        self._parts: dict[int, pl.DataFrame] = {}
        self._plan: _Plan | None = None
        self._claimed = 0
        self._readers = 0
        self._is_over = False  # no more blocks are parsed: closed, or to be parsed as a whole
        self._changed = threading.Condition()

    @property
    def size(self) -> int:
        """Bytes that were added."""
        return sum(map(len, self._blocks))

    def add(self, block: bytes) -> bool:
        """Add the next block; return whether another thread should call `read` now."""
        with self._changed:
            if self._blocks and not self._blocks[-1].endswith(b"\n"):  # a line spans two blocks
                self._is_over = True
            self._blocks.append(block)
            return self._may_read()

    def read(self) -> None:
        """Parse blocks until none is left, or enough other threads do."""
        while (claim := self._claim()) is not None:
            part = None
            try:
                part = self._read(*claim)
            finally:
                self._finish(claim[0], part)

    def table(self) -> pl.DataFrame:
        """Return the table, after all blocks were added. Raises as `read_csv`."""
        while True:
            self.read()
            with self._changed:
                if self._is_over or len(self._parts) == len(self._blocks):
                    break
                self._changed.wait_for(lambda: self._may_read() or not self._readers)
        if self._is_over or not self._blocks:
            return read_csv(self._text(), self._types, self._budget)
        return self._joined()

    def close(self) -> None:
        """Stop parsing."""
        with self._changed:
            self._is_over = True
            self._blocks, self._parts = [], {}

    # Blocks

    def _may_read(self) -> bool:
        """Whether there is a block for another thread."""
        if self._is_over or self._readers == _READERS or self._claimed == len(self._blocks):
            return False
        return self._claimed == 0 or self._plan is not None

    def _claim(self) -> tuple[int, bytes] | None:
        with self._changed:
            if not self._may_read():
                return None
            self._readers += 1
            self._claimed += 1
            number = self._claimed - 1
            return number, self._blocks[number]

    def _finish(self, number: int, part: pl.DataFrame | None) -> None:
        with self._changed:
            self._readers -= 1
            if part is None:
                self._is_over = True
            elif not self._is_over:
                self._parts[number] = part
            self._changed.notify_all()

    def _read(self, number: int, block: bytes) -> pl.DataFrame | None:
        """Return the columns of a block; None if the text is to be parsed as a whole."""
        try:
            rows = self._rows(number, block)
            if rows is None:
                return None
            plan = self._plan
            assert plan is not None  # noqa: S101 - the first block has made it
            frame = typed_cells(rows, plan.dtypes)
        except (BadTable, TooLarge):  # whose message would be another for the whole text
            return None
        if may_have_blank_lines(frame):
            return None
        known = plan.texts.union(self._types)
        # In one chunk: few large chunks are faster to query, and their memory is reused.
        return pl.DataFrame(
            [
                column
                if column.dtype != TEXT or column.name in known
                else infer(column, decimal=column.name in plan.decimals)
                for column in frame
            ]
        ).rechunk()

    def _rows(self, number: int, block: bytes) -> CsvRows | None:
        names, start = header_of(block) if number == 0 else ([], 0)
        rows = plain_rows(block, start)
        if rows is None:
            return None
        plan = self._plan
        columns = len(names if plan is None else plan.dtypes)
        count = rows_in(rows)
        check_rows(count, columns, len(block))
        with self._changed:
            take_cells(count * columns, self._budget)
            self._height += count
        if plan is None:
            self._plan = self._planned(rows, names)
        return rows

    def _planned(self, rows: CsvRows, names: list[str]) -> _Plan:
        end = rows.text.rfind(b"\n", rows.start, rows.start + _SAMPLE) + 1
        first = CsvRows(rows.text[:end], rows.start, quoted=False) if end else rows
        dtypes: dict[str, pl.DataType] = dict.fromkeys(names, TEXT)
        texts, decimals = set(), set()
        for column in cells_of(first, dtypes):
            name = column.name
            if name in self._types:
                continue
            if begins_with_text(column):
                texts.add(name)
                dtypes[name] = fitting(column)[0]
                continue
            dtypes[name], is_decimal = guess(column[:_GUESSED_ROWS])
            if is_decimal:
                decimals.add(name)
        return _Plan(dtypes, frozenset(texts), frozenset(decimals))

    # The whole

    def _text(self) -> bytes:
        """Return the whole text, which replaces blocks and parts."""
        with self._changed:
            self._is_over = True
            self._blocks, self._parts = [b"".join(self._blocks)], {}
            self._budget.start_anew()
            return self._blocks[0]

    def _joined(self) -> pl.DataFrame:
        plan = self._plan
        assert plan is not None  # noqa: S101 - as above
        check_rows(self._height, len(plan.dtypes), self.size)
        self._budget.check()
        parts = [self._parts[number] for number in range(len(self._parts))]
        again = [name for name in plan.dtypes if not self._is_known(name, plan)]
        texts = self._as_text(again) if again else []
        columns = []
        for name in plan.dtypes:
            pieces = [part.get_column(name) for part in (texts if name in again else parts)]
            if len({piece.dtype for piece in pieces}) > 1:  # too many values for categories
                pieces = [as_text(piece) for piece in pieces]
            column = pl.concat(pieces)
            if name not in plan.texts:
                column = typed(column, self._types.get(name), decimal=name in plan.decimals)
            columns.append(column)
        return pl.DataFrame(columns)

    def _is_known(self, name: str, plan: _Plan) -> bool:
        """Whether the type of a column follows from its types in the blocks."""
        dtypes = {part.schema[name] for part in self._parts.values()}
        alike = len(dtypes) == 1 and not dtypes.isdisjoint((INT, FLOAT, BOOL))
        return alike or name in plan.texts or name in self._types

    def _as_text(self, names: list[str]) -> list[pl.DataFrame]:
        assert self._plan is not None  # noqa: S101 - as above
        text = dict.fromkeys(self._plan.dtypes, TEXT)
        found = []
        for number, block in enumerate(self._blocks):
            start = header_of(block)[1] if number == 0 else 0
            rows = plain_rows(block, start)
            assert rows is not None  # noqa: S101 - it was read already
            found.append(cells_of(rows, text).select(names))
        return found
