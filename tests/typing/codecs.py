"""What type checkers make of codecs; checked by them, never run."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar, assert_type

import polars as pl

from storekit.codecs import (
    Arrow,
    Codec,
    CodecRegistry,
    Encrypted,
    Framed,
    Json,
    Lz4,
    Msgpack,
    Pickle,
    Raw,
    Signed,
    Text,
    Zstd,
    decode_value,
    encode_value,
)
from storekit.codecs.tables import Csv, PolarsTable, Rows, TableCodec, TableContent, TableRegistry

T = TypeVar("T")


@dataclass
class User:
    name: str


class Client(Generic[T]):
    """Stands for one of ours: the type of its codec is that of its values."""

    def __init__(self, codec: Codec[T]) -> None:
        self._codec = codec

    def get(self) -> T:
        return self._codec.decode(b"")


def value_of(codec: Codec[T]) -> T:
    return codec.decode(b"")


assert_type(value_of(Raw()), bytes)
assert_type(value_of(Text()), str)
assert_type(value_of(Json()), Any)
assert_type(value_of(Json(User)), User)
assert_type(value_of(Json(list[User])), list[User])
assert_type(value_of(Msgpack(User)), User)
assert_type(value_of(Msgpack()), Any)
assert_type(value_of(Pickle()), Any)
assert_type(value_of(Arrow("polars")), pl.DataFrame)

assert_type(Json(User), Json[User])
assert_type(Json(User).decode(b"{}"), User)
assert_type(Client(Json(User)).get(), User)

# Wrappers keep the type of what they wrap.
assert_type(Zstd(Json(User)), Zstd[User])
assert_type(value_of(Encrypted(Lz4(Signed(Json(User), keys=b"")), keys=[b""])), User)
assert_type(value_of(Framed(Json(User))), User)
assert_type(Framed(Json(User), Zstd(Msgpack(User))).using("json").decode(b""), User)

# What a type checker can't tell is named by the caller.
optional: Json[User | None] = Json(User | None)
assert_type(optional.decode(b""), User | None)

registry = CodecRegistry.default()
assert_type(registry.get("json"), Codec[Any])
assert_type(value_of(registry.get(Json(User))), User)
assert_type(decode_value(Json(User), b"", "key"), User)
assert_type(encode_value(Json(User), User("Ada")), bytes)
Json(User).encode("no user")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def table_of(codec: TableCodec[T]) -> T:
    return codec.decode(b"", "text/csv")


assert_type(table_of(Csv()), str)
assert_type(table_of(PolarsTable()), pl.DataFrame)
assert_type(table_of(Rows()), list[dict[str, Any]])
assert_type(Rows().encode([{"a": 1}]), TableContent)
assert_type(TableRegistry.default().get("csv"), TableCodec[Any])
