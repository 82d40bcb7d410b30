"""Text as UTF-8."""

from storekit.codecs.plain import as_text
from storekit.errors import CodecError

__all__ = ["Text"]


class Text:
    """Stores text as UTF-8."""

    name: str = "text"
    content_type: str = "text/plain; charset=utf-8"

    def encode(self, value: str, /) -> bytes:
        """Return the text as UTF-8. `TypeError` if not a str, `ValueError` for lone surrogates."""
        if not isinstance(value, str):
            raise TypeError(f"the codec text takes str, not {type(value).__name__}")
        return as_text(value).encode()

    def decode(self, data: bytes | memoryview, /) -> str:
        """Return the text. Raises `CodecError` if the content is not UTF-8."""
        try:
            return str(data, "utf-8")
        except UnicodeDecodeError as error:
            raise CodecError(
                f"the content is not UTF-8 (byte {error.start})", codec=self.name
            ) from error
