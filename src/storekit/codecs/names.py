"""The base of the registries: codecs by name, made on first use."""

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, Protocol, Self, TypeVar

from storekit.codecs.framed import check_name

__all__ = ["Names"]


class _Named(Protocol):
    @property
    def name(self) -> str: ...


C = TypeVar("C", bound=_Named)


class Names(Generic[C]):
    """Codecs by name. Immutable: methods that add codecs return a new registry."""

    _group: str

    def __init__(self, makers: Mapping[str, Callable[[], C]]) -> None:
        self._makers = dict(makers)
        self._made: dict[str, C] = {}

    @property
    def names(self) -> list[str]:
        """The names of all codecs, sorted."""
        return sorted(self._makers)

    def with_codecs(self, *codecs: C) -> Self:
        """Return a registry that also has these codecs. `ValueError` if a name is taken."""
        return self._with({codec.name: _returning(codec) for codec in self._distinct(codecs)})

    def with_entry_points(self) -> Self:
        """Return a registry that also has the codecs of installed packages.

        A package offers a codec as an entry point with the name of the codec; it refers to a codec,
        or to a class or function that makes one without arguments. Each is loaded on first use.

        Raises `ValueError` if two have the same name, or if a name is already in this registry.
        """
        found: dict[str, Callable[[], C]] = {}
        origins: dict[str, str] = {}
        for entry in entry_points(group=self._group):
            origin = entry.dist.name if entry.dist else entry.value
            if entry.name in found:
                raise ValueError(
                    f"the packages {origins[entry.name]} and {origin} both have a codec "
                    f"named {entry.name!r}"
                )
            if entry.name in self._makers:
                raise ValueError(
                    f"the package {origin} has a codec named {entry.name!r}, as this registry has"
                )
            found[entry.name] = _loader(entry, origin)
            origins[entry.name] = origin
        return self._with(found)

    def _with(self, makers: Mapping[str, Callable[[], C]]) -> Self:
        for name in makers:
            if check_name(name) in self._makers:
                raise ValueError(f"there is a codec named {name!r} already")
        return self._copy({**self._makers, **makers})

    def _copy(self, makers: Mapping[str, Callable[[], C]]) -> Self:
        return type(self)(makers)

    def _distinct(self, codecs: tuple[C, ...]) -> tuple[C, ...]:
        names = [codec.name for codec in codecs]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two codecs have the name {name!r}")
        return codecs

    def _find(self, name: str) -> C | None:
        if name not in self._made:
            if name not in self._makers:
                return None
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.names)})"


def _returning(codec: C) -> Callable[[], C]:
    return lambda: codec


def _loader(entry: EntryPoint, origin: str) -> Callable[[], Any]:
    def load() -> object:
        try:
            found = entry.load()
            codec = found() if isinstance(found, type) or not hasattr(found, "decode") else found
            name = codec.name
        except Exception as error:
            raise ImportError(
                f"the codec {entry.name!r} of the package {origin} can't be loaded: {error}"
            ) from error
        if name != entry.name:
            raise ImportError(
                f"the codec {entry.name!r} of the package {origin} has another name: {name!r}"
            )
        return codec

    return load
