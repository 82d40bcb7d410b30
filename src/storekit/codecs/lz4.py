"""LZ4 compression of what another codec encodes."""

from typing import Any, TypeVar

from storekit._extras import require
from storekit.codecs.base import Codec
from storekit.codecs.wrapping import MAX_SIZE, Wrapper, check_size

__all__ = ["Lz4"]

T = TypeVar("T")

_PIECE = 2**20
_BEST_RATIO = 256
"""LZ4 unpacks a byte to at most 255 bytes."""


class Lz4(Wrapper[T]):
    """Compresses what another codec encodes, in LZ4's frame format: `Lz4(Raw())`.

    Faster than `Zstd`, with larger results. Content that unpacks to more than `max_size` bytes is
    neither written (`ValueError`) nor read (`CodecError`). A checksum detects damage.
    """

    _suffix = "lz4"
    unpacks: bool = True

    def __init__(self, inner: Codec[T], *, level: int = 0, max_size: int = MAX_SIZE) -> None:
        """Make a codec. `level` is 0 (fast) to 16 (small)."""
        super().__init__(inner)
        require("the codec lz4", "lz4", "lz4.frame")
        if not isinstance(level, int) or isinstance(level, bool):
            raise TypeError(f"level must be an int, not {level!r}")
        if not 0 <= level <= 16:
            raise ValueError(f"level must be 0 to 16, not {level}")
        self._level = level
        self._max_size = check_size(max_size)

    def _pack(self, content: bytes) -> bytes:
        import lz4.frame

        if len(content) > self._max_size:
            raise ValueError(
                f"the codec {self.name} takes at most {self._max_size} bytes, not {len(content)}; "
                "give it another max_size"
            )
        packed: bytes = lz4.frame.compress(
            content, compression_level=self._level, content_checksum=True, store_size=True
        )
        return packed

    def _unpack(self, data: bytes | memoryview) -> bytes:
        import lz4.frame

        try:
            size = lz4.frame.get_frame_info(data)["content_size"]
            if size > self._max_size:
                raise self._error(f"the content unpacks to more than {self._max_size} bytes")
            if size > len(data) * _BEST_RATIO:
                raise self._error("the content is not a complete LZ4 frame")
            if size:
                content, read = lz4.frame.decompress(data, return_bytes_read=True)
            else:
                content, read = self._unpack_pieces(lz4.frame.LZ4FrameDecompressor(), data)
        except (RuntimeError, ValueError, MemoryError) as error:
            raise self._error("the content is not a complete LZ4 frame") from error
        if read != len(data):
            raise self._error("more bytes follow the LZ4 frame")
        whole: bytes = content
        return whole

    def _unpack_pieces(self, unpacker: Any, data: bytes | memoryview) -> tuple[bytes, int]:  # noqa: ANN401
        """Unpack a frame that does not state its size; return its content and its length."""
        pieces: list[bytes] = [unpacker.decompress(data, max_length=_PIECE)]
        left = self._max_size - len(pieces[0])
        while not unpacker.eof:
            if left < 0:
                raise self._error(f"the content unpacks to more than {self._max_size} bytes")
            if unpacker.needs_input:
                raise ValueError("it ends too early")
            pieces.append(unpacker.decompress(b"", max_length=_PIECE))
            left -= len(pieces[-1])
        return b"".join(pieces), len(data) - len(unpacker.unused_data or b"")
