"""Tables as CSV."""

from storekit.codecs.tables.base import CSV, JSON, TableContent, encode_text, media_type
from storekit.errors import CodecError

__all__ = ["Csv"]


class Csv:
    """CSV as text: uploads text or bytes unchanged, and returns results as text."""

    name: str = "csv"
    content_type: str = CSV
    accept: str = CSV

    def encode(self, table: str | bytes | bytearray | memoryview, /) -> TableContent:
        """Return the table. `TypeError` if it is neither text nor bytes."""
        if isinstance(table, str):
            return TableContent(encode_text(table), CSV)
        if isinstance(table, bytes | bytearray | memoryview):
            return TableContent(bytes(table), CSV)
        raise TypeError(f"the codec csv takes str or bytes, not {type(table).__name__}")

    def decode(self, content: bytes | memoryview, content_type: str, /) -> str:
        """Return the result as text. Raises `CodecError` if it is not CSV, or not UTF-8."""
        if media_type(content_type) != CSV:
            what = "JSON" if media_type(content_type) == JSON else repr(content_type[:60])
            raise CodecError(f"the result is {what}, not CSV", codec=self.name)
        try:
            return str(content, "utf-8")
        except UnicodeDecodeError as error:
            raise CodecError(
                f"the result is not UTF-8 (byte {error.start})", codec=self.name
            ) from error
