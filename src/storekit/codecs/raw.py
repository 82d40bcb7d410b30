"""Bytes, unchanged."""

from storekit.codecs.plain import as_bytes

__all__ = ["Raw"]


class Raw:
    """Stores bytes-like content unchanged; decodes to bytes."""

    name: str = "raw"
    content_type: str = "application/octet-stream"
    packages: tuple[str, ...] = ()  # to load on first use

    def encode(self, value: bytes | bytearray | memoryview, /) -> bytes:
        """Return the bytes. Raises `TypeError` for anything else."""
        if isinstance(value, bytes):
            return as_bytes(value)
        if isinstance(value, bytearray | memoryview):
            return bytes(memoryview(value))
        raise TypeError(f"the codec raw takes bytes, not {type(value).__name__}")

    def decode(self, data: bytes | memoryview, /) -> bytes:
        """Return the bytes."""
        return bytes(data)
