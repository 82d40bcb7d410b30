"""The tables of a node: their size, and which are evicted first."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from storekit.qcache.node.categories import is_coded, values_of
from storekit.qcache.node.errors import TooLarge

__all__ = ["Cache", "Dataset", "Stored", "charge_for"]

_TABLE = 500
"""Bytes that a table costs beside its columns."""

_COLUMN = 600
"""Bytes that a column costs beside its values."""

_MOST_CHARGE = 8
"""Maximum charge of one table, in sizes of the cache: more would make the limit pointless."""

_SMALL = 2**20
"""Bytes that a table may take in a cache of any size."""

_VIEW = 16
"""Bytes of each value of a text column beside the text itself."""

_CATEGORY = 180
"""Bytes of each different value of an enum, or of text held as codes, beside the text itself."""


@dataclass(slots=True)
class Dataset:
    """A stored table, the bytes that it is charged, when it was stored, how often it was found."""

    frame: pl.DataFrame
    charge: int
    stored_at: float
    hits: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """Effects of storing a table: whether it replaced one, and ages of evicted ones in seconds."""

    replaced: bool
    evicted_after: tuple[float, ...]


def charge_for(frame: pl.DataFrame) -> int:
    """Return about how many bytes a table takes."""
    return _TABLE + sum(map(_charge_for, frame.get_columns()))


def _charge_for(column: pl.Series) -> int:
    charge, dtype = _COLUMN + int(column.estimated_size()), column.dtype
    if dtype in (pl.String, pl.Binary):
        return charge + _VIEW * len(column)
    if isinstance(dtype, pl.Enum):
        values = dtype.categories
    elif is_coded(dtype):
        values = values_of(column)
    else:
        return charge
    return charge + int(values.estimated_size()) + _CATEGORY * len(values)


class Cache:
    """Tables by key, the least recently used first. Limits: bytes, and seconds (0: none).

    Not safe for threads: its owner has the lock.
    """

    def __init__(self, size: int, age: float, clock: Callable[[], float]) -> None:
        self.size: int = size
        self.charged: int = 0
        self.age: float = age
        self._clock = clock
        self._datasets: OrderedDict[str, Dataset] = OrderedDict()

    def __len__(self) -> int:
        return len(self._datasets)

    def get(self, key: str) -> pl.DataFrame | None:
        """Return a table, and mark it as the most recently used."""
        dataset = self._datasets.get(key)
        if dataset is None:
            return None
        self._datasets.move_to_end(key)
        dataset.hits += 1
        return dataset.frame

    def peek(self, key: str) -> Dataset | None:
        """Return a table with its details, without marking it as used."""
        return self._datasets.get(key)

    def datasets(self) -> tuple[list[str], list[Dataset]]:
        """Return all keys and their tables, in any order, without marking them as used."""
        # The methods of `dict` take a tenth of the time of those of `OrderedDict`.
        return list(dict.keys(self._datasets)), list(dict.values(self._datasets))

    def by_use(self) -> list[tuple[str, Dataset]]:
        """Return all tables with their keys, the least recently used first; marks none as used."""
        return list(self._datasets.items())

    @property
    def most_charge(self) -> int:
        """Bytes that one table may take."""
        return max(_MOST_CHARGE * self.size, _SMALL)

    def is_expired(self, dataset: Dataset) -> bool:
        """Whether a table is too old; it is removed on the next access."""
        return bool(self.age) and self._clock() - dataset.stored_at > self.age

    def charge_of(self, key: str) -> int:
        """Return the bytes that a table is charged; 0 if there is none."""
        dataset = self._datasets.get(key)
        return 0 if dataset is None else dataset.charge

    def remove_expired(self, key: str) -> bool:
        """Remove a table if it is too old; return whether it was. Use does not extend its age."""
        dataset = self._datasets.get(key)
        if dataset is None or not self.is_expired(dataset):
            return False
        return self.remove(key)

    def remove(self, key: str) -> bool:
        """Remove a table; return whether there was one."""
        dataset = self._datasets.pop(key, None)
        if dataset is None:
            return False
        self.charged -= dataset.charge
        return True

    def store(self, key: str, frame: pl.DataFrame, need: int, charge: int) -> Stored:
        """Store a table, or raise `TooLarge` and change nothing.

        The least recently used tables are evicted until `need` bytes are free. The table is then
        charged `charge` bytes, which may be more, up to `most_charge`.
        """
        if need > self.size:
            raise TooLarge(f"The content needs {need} bytes; the cache has {self.size}")
        if charge > self.most_charge:
            raise TooLarge(
                f"The table takes {charge} bytes; {self.most_charge} is the most "
                f"({_MOST_CHARGE} times --size)"
            )
        replaced = self.remove(key)
        now = self._clock()
        evicted_after = []
        while self.size - self.charged < need and self._datasets:
            oldest, dataset = next(iter(self._datasets.items()))
            self.remove(oldest)
            evicted_after.append(now - dataset.stored_at)
        self._datasets[key] = Dataset(frame, charge, now)
        self.charged += charge
        return Stored(replaced, tuple(evicted_after))

    def restore(self, key: str, frame: pl.DataFrame, charge: int, stored_at: float) -> bool:
        """Restore a table as the least recently used one; return whether there was room.

        No table is evicted for it. A single table may take as much as if it had been uploaded.
        """
        if self.charged + charge > (self.size if self._datasets else self.most_charge):
            return False
        self._datasets[key] = Dataset(frame, charge, stored_at)
        self._datasets.move_to_end(key, last=False)
        self.charged += charge
        return True
