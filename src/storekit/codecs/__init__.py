"""Codecs turn values into bytes and back. They do no I/O, and load their packages on first use.

A codec is any object with `name`, `content_type`, `encode` and `decode`: see `Codec`.
The codecs of QCache's tables are in `storekit.codecs.tables`.
"""

from typing import TYPE_CHECKING

from storekit._lazy import lazy_names
from storekit.codecs.base import Codec, decode_value, encode_value
from storekit.errors import CodecError

if TYPE_CHECKING:
    from storekit.codecs.arrow import Arrow
    from storekit.codecs.encrypted import Encrypted
    from storekit.codecs.framed import Framed
    from storekit.codecs.json import Json
    from storekit.codecs.lz4 import Lz4
    from storekit.codecs.msgpack import Msgpack
    from storekit.codecs.pickle import Allowed, ClassNotAllowed, Pickle, UnreadableValue
    from storekit.codecs.raw import Raw
    from storekit.codecs.registry import CodecRegistry
    from storekit.codecs.signed import Signed
    from storekit.codecs.text import Text
    from storekit.codecs.zstd import Zstd
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Allowed": ".pickle",
            "Arrow": ".arrow",
            "ClassNotAllowed": ".pickle",
            "CodecRegistry": ".registry",
            "Encrypted": ".encrypted",
            "Framed": ".framed",
            "Json": ".json",
            "Lz4": ".lz4",
            "Msgpack": ".msgpack",
            "Pickle": ".pickle",
            "Raw": ".raw",
            "Signed": ".signed",
            "Text": ".text",
            "UnreadableValue": ".pickle",
            "Zstd": ".zstd",
        },
    )

__all__ = [
    "Allowed",
    "Arrow",
    "ClassNotAllowed",
    "Codec",
    "CodecError",
    "CodecRegistry",
    "Encrypted",
    "Framed",
    "Json",
    "Lz4",
    "Msgpack",
    "Pickle",
    "Raw",
    "Signed",
    "Text",
    "UnreadableValue",
    "Zstd",
    "decode_value",
    "encode_value",
]
