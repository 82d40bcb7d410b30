# Generated from src/storekit/qdb/_async/blobs.py by tools/generate_sync.py; do not edit.

"""Operations on entries that hold bytes, or what is stored as bytes."""

from typing import TYPE_CHECKING

from storekit.qdb._sync.conversion import Conversion
from storekit.qdb.values import Expiry

if TYPE_CHECKING:
    from storekit.qdb.arguments import Content

__all__ = ["Blobs"]


class Blobs(Conversion):
    """Operations on the content of entries."""

    def put(self, alias: "str | bytes", data: "Content", expiry_time: Expiry = None) -> None:
        """Store a new entry. If `expiry_time` is None, it never expires.

        Raises `AliasAlreadyExists`: use `update` for an entry that may exist.
        """
        text, content, expiry = self._write("put", alias, data, expiry_time)
        self._call("put", text, lambda session: session.blob_put(text, content, expiry))

    def update(self, alias: "str | bytes", data: "Content", expiry_time: Expiry = None) -> None:
        """Store an entry, new or not. If `expiry_time` is None, it never expires."""
        text, content, expiry = self._write("update", alias, data, expiry_time)
        self._call("update", text, lambda session: session.blob_update(text, content, expiry))

    def get(self, alias: "str | bytes") -> bytes:
        """Return the content of an entry.

        Gets that wait for a session together travel as one batch; each has its own result.
        Raises `AliasNotFound`.
        """
        return self._decode(self._get("get", self._alias("get", alias)))  # type: ignore[no-any-return]

    def get_view(self, alias: "str | bytes") -> memoryview:
        """Return the stored bytes of an entry without a copy, where the store can do that.

        Unlike gets, views are never fetched together: a view holds the memory of its entry
        alone. Raises `AliasNotFound`.
        """
        text = self._alias("get_view", alias)
        return memoryview(
            self._call("get_view", text, lambda session: session.blob_get(text), reads=True)
        )

    def get_update(
        self, alias: "str | bytes", data: "Content", expiry_time: Expiry = None
    ) -> bytes:
        """Replace the content of an entry and return what it was, in one step.

        If `expiry_time` is None, it never expires. Raises `AliasNotFound`.
        """
        text, content, expiry = self._write("get_update", alias, data, expiry_time)
        former = self._call(
            "get_update",
            text,
            lambda session: session.blob_get_and_update(text, content, expiry),
        )
        return self._decode(former)  # type: ignore[no-any-return]

    def get_remove(self, alias: "str | bytes") -> bytes:
        """Remove an entry and return its content, in one step. Raises `AliasNotFound`."""
        text = self._alias("get_remove", alias, writes=True)
        content = self._call("get_remove", text, lambda session: session.blob_get_and_remove(text))
        return self._decode(content)  # type: ignore[no-any-return]

    def compare_and_swap(
        self,
        alias: "str | bytes",
        new_data: "Content",
        comparand: "Content",
        expiry_time: Expiry = None,
    ) -> bytes:
        """Replace the content of an entry if it is `comparand`, in one step.

        Returns the original content, whether it matched or not. If `expiry_time` is None,
        the entry never expires; one that did not match keeps its expiry. Raises
        `AliasNotFound`.
        """
        text, content, expiry = self._write("compare_and_swap", alias, new_data, expiry_time)
        expected = self._encode(comparand)
        original = self._call(
            "compare_and_swap",
            text,
            lambda session: session.blob_compare_and_swap(text, content, expected, expiry),
        )
        return self._decode(expected if original is None else original)  # type: ignore[no-any-return]

    def remove_if(self, alias: "str | bytes", comparand: "Content") -> None:
        """Remove an entry if its content is `comparand`, in one step.

        Raises `UnmatchedContent` if it is not, and `AliasNotFound`.
        """
        text = self._alias("remove_if", alias, writes=True)
        expected = self._encode(comparand)
        self._call("remove_if", text, lambda session: session.blob_remove_if(text, expected))
