"""Zstandard compression of what another codec encodes."""

import threading
from typing import Any, TypeVar

from storekit._extras import require
from storekit.codecs.base import Codec
from storekit.codecs.wrapping import MAX_SIZE, Wrapper, check_size

__all__ = ["Zstd"]

T = TypeVar("T")

_PIECE = 256
"""Bytes that are unpacked at a time if the size is unknown: they may become 8 MB."""

_UNKNOWN = 2**64 - 1
"""What zstandard returns as the size of a frame that does not state it."""


class Zstd(Wrapper[T]):
    """Compresses what another codec encodes: `Zstd(Json(User))`.

    Content that unpacks to more than `max_size` bytes is neither written (`ValueError`) nor
    read (`CodecError`). A checksum detects damage.
    """

    _suffix = "zstd"
    unpacks: bool = True

    def __init__(self, inner: Codec[T], *, level: int = 3, max_size: int = MAX_SIZE) -> None:
        """Make a codec. `level` is 1 (fast) to 22 (small), or down to -100 for even faster."""
        super().__init__(inner)
        require("the codec zstd", "zstd", "zstandard")
        import zstandard

        if not isinstance(level, int) or isinstance(level, bool):
            raise TypeError(f"level must be an int, not {level!r}")
        if not -100 <= level <= zstandard.MAX_COMPRESSION_LEVEL:
            raise ValueError(
                f"level must be -100 to {zstandard.MAX_COMPRESSION_LEVEL}, not {level}"
            )
        self._level = level
        self._max_size = check_size(max_size)
        # Compressors take 10 µs to make, and must not be shared by threads.
        self._tools = threading.local()

    def _pack(self, content: bytes) -> bytes:
        if len(content) > self._max_size:
            raise ValueError(
                f"the codec {self.name} takes at most {self._max_size} bytes, not {len(content)}; "
                "give it another max_size"
            )
        compressor, _ = self._own_tools()
        packed: bytes = compressor.compress(content)
        return packed

    def _unpack(self, data: bytes | memoryview) -> bytes:
        import zstandard

        _, decompressor = self._own_tools()
        try:
            size = zstandard.get_frame_parameters(data).content_size
            if size == _UNKNOWN:
                content = self._unpack_pieces(decompressor, data)
            elif size > self._max_size:
                raise self._too_large()
            else:
                content = decompressor.decompress(data, allow_extra_data=False)
        except (zstandard.ZstdError, MemoryError) as error:
            raise self._error("the content is not a complete Zstandard frame") from error
        return content

    def _unpack_pieces(self, decompressor: Any, data: bytes | memoryview) -> bytes:  # noqa: ANN401
        """Unpack a frame that does not state its size, which another program wrote."""
        unpacker = decompressor.decompressobj()
        pieces: list[bytes] = []
        left = self._max_size
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            pieces.append(unpacker.decompress(view[start : start + _PIECE]))
            left -= len(pieces[-1])
            if left < 0:
                raise self._too_large()
        if not unpacker.eof or unpacker.unused_data:
            raise self._error("the content is not a complete Zstandard frame")
        return b"".join(pieces)

    def _too_large(self) -> Exception:
        return self._error(f"the content unpacks to more than {self._max_size} bytes")

    def _own_tools(self) -> tuple[Any, Any]:
        try:
            tools: tuple[Any, Any] = self._tools.pair
        except AttributeError:
            import zstandard

            tools = self._tools.pair = (
                zstandard.ZstdCompressor(level=self._level, write_checksum=True),
                zstandard.ZstdDecompressor(),
            )
        return tools
