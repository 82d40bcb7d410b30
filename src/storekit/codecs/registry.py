"""The codecs of values, by name."""

from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar, overload

from storekit.codecs.base import Codec
from storekit.codecs.framed import Framed, check_name
from storekit.codecs.names import Names

__all__ = ["CodecRegistry"]

T = TypeVar("T")

Makers = Mapping[str, Callable[[], Codec[Any]]]
Wrappers = Mapping[str, Callable[[Codec[Any]], Codec[Any]]]

_MOST_PARTS = 8

_ONLY_WITH_KEYS = ("signed", "encrypted")


class CodecRegistry(Names[Codec[Any]]):
    """The codecs that a client finds by name.

    ```python
    from storekit.codecs import CodecRegistry

    registry = CodecRegistry.default()
    assert registry.get("json+zstd").decode(registry.get("json+zstd").encode([1])) == [1]
    ```

    A name is that of a codec, or of a codec and its wrappers, joined by "+", the innermost first.
    """

    _group = "storekit.codecs"

    def __init__(self, makers: Makers | None = None, wrappers: Wrappers | None = None) -> None:
        """Make a registry; without arguments, an empty one.

        Args:
            makers: Functions that make the codecs, by name; each is called on first use.
            wrappers: Functions that wrap a codec, by the name after the "+".

        """
        super().__init__({} if makers is None else makers)
        self._wrappers = dict({} if wrappers is None else wrappers)

    @classmethod
    def default(cls) -> Self:
        """Return a registry of all codecs of storekit that need no arguments.

        These are raw, text, json, msgpack, pickle, arrow, polars and pandas, and the wrappers zstd
        and lz4. The packages that they need are loaded on first use.
        """
        return cls(_BUILT_IN, {"zstd": _zstd, "lz4": _lz4})

    @overload
    def get(self, codec: str) -> Codec[Any]: ...
    @overload
    def get(self, codec: Codec[T]) -> Codec[T]: ...
    def get(self, codec: str | Codec[Any]) -> Codec[Any]:
        """Return the codec with a name; a codec is returned unchanged.

        Raises:
            TypeError: `codec` is neither a name nor a codec.
            ValueError: There is no such codec; the message lists those that there are.
            ModuleNotFoundError: A package is missing; the message says what to install.
            ImportError: The codec of a package can't be loaded.

        """
        if not isinstance(codec, str):
            if isinstance(codec, type) or not hasattr(codec, "decode"):
                raise TypeError(f"need a codec, e.g. Raw(), or the name of one, not {codec!r}")
            return codec
        found = self._find(codec)
        if found is None:
            found = self._made[codec] = self._compose(codec)
        return found

    def with_wrapper(self, name: str, wrap: Callable[[Codec[Any]], Codec[Any]]) -> Self:
        """Return a registry that also has a wrapper, e.g. `Signed` with the caller's keys.

        After `registry.with_wrapper("signed", lambda inner: Signed(inner, keys=keys))`,
        "json+signed" is the name of a codec. Raises `ValueError` if the name is taken.
        """
        if name in self._wrappers:
            raise ValueError(f"there is a wrapper named {name!r} already")
        if "+" in check_name(name):
            raise ValueError(f"the name of a wrapper can't contain a +: {name!r}")
        return type(self)(self._makers, {**self._wrappers, name: wrap})

    def framed(self, *names: str) -> Framed[Any]:
        """Return a `Framed` codec of the codecs with these names.

        It writes with the first; `Framed.using` returns one that writes with another.
        """
        return Framed(*(self.get(name) for name in names))

    def _copy(self, makers: Makers) -> Self:
        return type(self)(makers, self._wrappers)

    def _compose(self, name: str) -> Codec[Any]:
        innermost, *around = name.split("+")
        codec = self._find(innermost)
        for part in around:
            if part in _ONLY_WITH_KEYS and part not in self._wrappers:
                raise ValueError(
                    f"the codec {name!r} needs keys: use {part.title()}(..., keys=[...]), "
                    f"or add it with with_wrapper({part!r}, ...)"
                )
        if codec is None or len(around) >= _MOST_PARTS or not set(around) <= set(self._wrappers):
            raise ValueError(
                f"there is no codec named {name[:100]!r}; there are {', '.join(self.names)}, and, "
                f"to append with a +, {', '.join(sorted(self._wrappers)) or 'nothing'}"
            )
        for part in around:
            codec = self._wrappers[part](codec)
        return codec


def _raw() -> Codec[Any]:
    from storekit.codecs.raw import Raw

    return Raw()


def _text() -> Codec[Any]:
    from storekit.codecs.text import Text

    return Text()


def _json() -> Codec[Any]:
    from storekit.codecs.json import Json

    return Json()


def _msgpack() -> Codec[Any]:
    from storekit.codecs.msgpack import Msgpack

    return Msgpack()


def _pickle() -> Codec[Any]:
    from storekit.codecs.pickle import Pickle

    return Pickle()


def _arrow() -> Codec[Any]:
    from storekit.codecs.arrow import Arrow

    return Arrow()


def _polars() -> Codec[Any]:
    from storekit.codecs.arrow import Arrow

    return Arrow("polars")


def _pandas() -> Codec[Any]:
    from storekit.codecs.arrow import Arrow

    return Arrow("pandas")


def _zstd(inner: Codec[Any]) -> Codec[Any]:
    from storekit.codecs.zstd import Zstd

    return Zstd(inner)


def _lz4(inner: Codec[Any]) -> Codec[Any]:
    from storekit.codecs.lz4 import Lz4

    return Lz4(inner)


_BUILT_IN: Makers = {
    "raw": _raw,
    "text": _text,
    "json": _json,
    "msgpack": _msgpack,
    "pickle": _pickle,
    "arrow": _arrow,
    "polars": _polars,
    "pandas": _pandas,
}
