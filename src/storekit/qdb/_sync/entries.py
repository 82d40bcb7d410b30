# Generated from src/storekit/qdb/_async/entries.py by tools/generate_sync.py; do not edit.

"""Operations on entries of any type: to remove, to let expire, to find."""

from datetime import datetime, timedelta

from storekit.qdb._sync.conversion import Aliases
from storekit.qdb.values import (
    EntryMetadata,
    Expiry,
    from_milliseconds,
    milliseconds_from_now,
    to_milliseconds,
)
from storekit.qdb.variables import Alias, Found

_ALL = 2**31 - 1

__all__ = ["Entries"]


class Entries(Aliases[Alias, Found]):
    """Operations on entries of any type."""

    def remove(self, alias: Alias) -> None:
        """Remove an entry of any type. Raises `AliasNotFound`."""
        text = self._alias("remove", alias, writes=True)
        self._call("remove", text, lambda session: session.remove(text))

    def remove_all(self) -> None:
        """Remove all entries from all nodes of the cluster.

        Clusters refuse unless configured to do it: `OperationDisabled`.
        """
        patience = 300.0 if self._timeout is None else self._timeout
        self._call("remove_all", None, lambda session: session.purge_all(patience))

    purge_all = remove_all

    # Expiry

    def expires_at(self, alias: Alias, expiry_time: Expiry) -> None:
        """Set when an entry expires; None for never. Raises `AliasNotFound`.

        A datetime without time zone means UTC.
        """
        text = self._alias("expires_at", alias, writes=True)
        expiry = to_milliseconds(expiry_time, self._clock(), "expires_at")
        self._call("expires_at", text, lambda session: session.expires_at(text, expiry))

    def expires_from_now(self, alias: Alias, expiry_delta: float | timedelta) -> None:
        """Set in how many seconds an entry expires, or after which timedelta.

        Raises `AliasNotFound`.
        """
        text = self._alias("expires_from_now", alias, writes=True)
        delta = milliseconds_from_now(expiry_delta)
        self._call("expires_from_now", text, lambda session: session.expires_from_now(text, delta))

    def get_expiry_time(self, alias: Alias) -> datetime | None:
        """Return when an entry expires, in the time zone `tz`; None for never.

        Raises `AliasNotFound`.
        """
        text = self._alias("get_expiry_time", alias)
        expiry = self._call(
            "get_expiry_time", text, lambda session: session.get_expiry_time(text), reads=True
        )
        return from_milliseconds(expiry)

    def get_metadata(self, alias: Alias) -> EntryMetadata:
        """Return type, size and times of an entry of any type. Raises `AliasNotFound`."""
        text = self._alias("get_metadata", alias)
        return EntryMetadata.of(
            self._call("get_metadata", text, lambda session: session.get_metadata(text), reads=True)
        )

    # Finding

    def prefix_get(self, prefix: str, max_count: int = _ALL) -> list[Found]:
        """Return the aliases that start with a text, sorted by their bytes; [] for none."""
        text = self._part("prefix_get", prefix)
        _check_count(max_count)
        found = self._call(
            "prefix_get", text, lambda session: session.prefix_get(text, max_count), reads=True
        )
        return self._aliases(found)

    def prefix_count(self, prefix: str) -> int:
        """Return how many aliases start with a text."""
        text = self._part("prefix_count", prefix)
        return self._call(
            "prefix_count", text, lambda session: session.prefix_count(text), reads=True
        )

    def suffix_get(self, suffix: str, max_count: int = _ALL) -> list[Found]:
        """Return the aliases that end with a text; [] for none."""
        text = self._part("suffix_get", suffix)
        _check_count(max_count)
        found = self._call(
            "suffix_get", text, lambda session: session.suffix_get(text, max_count), reads=True
        )
        return self._aliases(found)


def _check_count(max_count: object) -> None:
    if isinstance(max_count, bool) or not isinstance(max_count, int):
        raise TypeError(f"max_count must be a whole number, not {type(max_count).__name__}")
    if max_count < 1:
        raise ValueError(f"max_count must be 1 or more, not {max_count}")
