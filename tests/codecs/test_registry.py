"""Codecs by name, and what is loaded for them."""

import importlib.metadata
import subprocess
import sys

import pytest

from storekit.codecs import CodecError, CodecRegistry, Json, Raw, Signed, Text, Zstd
from storekit.codecs.tables import Csv, TableRegistry

NAMES = ["arrow", "json", "msgpack", "pandas", "pickle", "polars", "raw", "text"]
TABLES = ["arrow", "csv", "pandas", "polars", "rows"]

both = pytest.mark.parametrize("kind", [CodecRegistry, TableRegistry])


@pytest.mark.parametrize(("kind", "names"), [(CodecRegistry, NAMES), (TableRegistry, TABLES)])
def test_the_built_in_codecs_go_by_their_names(kind, names):
    registry = kind.default()
    assert registry.names == names
    for name in names:
        assert registry.get(name).name == name
        assert registry.get(name) is registry.get(name)
    assert repr(registry) == f"{kind.__name__}({', '.join(names)})"


@both
def test_a_codec_stands_for_itself(kind):
    codec = Csv() if kind is TableRegistry else Json(int)
    assert kind.default().get(codec) is codec
    for wrong in (Raw, Csv, None, 5):
        with pytest.raises(TypeError, match="need a codec"):
            kind.default().get(wrong)


def test_wrappers_are_composed_by_name():
    codec = CodecRegistry.default().get("json+zstd+lz4")
    assert codec.name == "json+zstd+lz4"
    assert codec.decode(codec.encode([1])) == [1]


@pytest.mark.parametrize(
    "name", ["yaml", "", "json+", "+zstd", "json+json", "zstd", "json+yaml", "json" + "+zstd" * 9]
)
def test_an_unknown_name_is_an_error_that_lists_the_known_ones(name):
    with pytest.raises(
        ValueError, match=r"there are arrow, json, .* to append with a \+, lz4, zstd"
    ):
        CodecRegistry.default().get(name)


def test_an_unknown_table_codec_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match="'yaml'; there are arrow, csv, "):
        TableRegistry.default().get("yaml")


def test_what_needs_keys_says_so():
    for name in ("signed", "encrypted"):
        with pytest.raises(ValueError, match=f"needs keys: use {name.title()}"):
            CodecRegistry.default().get(f"json+{name}")


def test_codecs_and_wrappers_are_added_to_a_copy():
    registry = CodecRegistry.default()
    signed = registry.with_wrapper("signed", lambda inner: Signed(inner, keys=b"k" * 32))
    assert signed.get("text+signed").decode(signed.get("text+signed").encode("a")) == "a"
    more = signed.with_codecs(Zstd(Json(int)), _named("mine"))
    assert more.get("json+zstd").decode(Zstd(Json()).encode(5)) == 5
    with pytest.raises(CodecError):
        more.get("json+zstd").decode(Zstd(Json()).encode("no int"))
    assert more.get("mine+signed").name == "mine+signed"
    assert registry.names == NAMES
    assert "mine" not in signed.names


def test_a_second_codec_of_a_name_is_an_error():
    registry = CodecRegistry.default()
    with pytest.raises(ValueError, match="a codec named 'json' already"):
        registry.with_codecs(Json(int))
    with pytest.raises(ValueError, match="two codecs have the name 'mine'"):
        registry.with_codecs(_named("mine"), _named("mine"))
    with pytest.raises(ValueError, match="a wrapper named 'zstd' already"):
        registry.with_wrapper("zstd", Zstd)
    for wrong in ("a+b", "A b"):
        with pytest.raises(ValueError, match="name"):
            registry.with_wrapper(wrong, Zstd)


def test_a_frame_is_made_of_names():
    framed = CodecRegistry.default().framed("msgpack", "json+zstd")
    assert framed.encode(1).endswith(b"msgpack\x01")
    assert framed.decode(framed.using("json+zstd").encode([1])) == [1]


def test_an_empty_registry_has_nothing():
    with pytest.raises(ValueError, match="no codec named 'raw'"):
        CodecRegistry().get("raw")
    with pytest.raises(ValueError, match="no codec of tables"):
        TableRegistry().get("csv")


# Entry points


def _named(name):
    codec = Text()
    codec.name = name
    return codec


class Mine(Text):
    name = "mine"


MINE = Mine()


def broken():
    raise RuntimeError("it does not work")


@pytest.fixture
def offer(monkeypatch):
    """Stands in for the packages that are installed."""

    def offer(*entries):
        def entry_points(group):
            return [
                importlib.metadata.EntryPoint(name, f"{__name__}:{value}", group)
                for name, value, of in entries
                if of == group
            ]

        monkeypatch.setattr("storekit.codecs.names.entry_points", entry_points)

    return offer


@pytest.mark.parametrize("value", ["Mine", "MINE"])
def test_packages_offer_codecs(offer, value):
    offer(("mine", value, "storekit.codecs"), ("other", value, "storekit.tables"))
    registry = CodecRegistry.default().with_entry_points()
    assert type(registry.get("mine")) is Mine
    assert registry.get("mine+zstd").name == "mine+zstd"
    assert registry.names == sorted([*NAMES, "mine"])
    assert TableRegistry.default().with_entry_points().names == sorted([*TABLES, "other"])
    assert CodecRegistry.default().names == NAMES


@pytest.mark.parametrize(
    ("value", "said"),
    [("broken", "it does not work"), ("missing", "missing"), ("Raw", "has another name: 'raw'"),
     ("NAMES", "not callable")],
)  # fmt: skip
def test_a_broken_offer_is_an_error_for_those_who_want_it(offer, value, said):
    offer(("mine", value, "storekit.codecs"))
    registry = CodecRegistry.default().with_entry_points()
    assert registry.get("raw").decode(b"a") == b"a"
    with pytest.raises(ImportError, match=f"codec 'mine' of the package .*{said}"):
        registry.get("mine")


def test_offers_of_the_same_name_are_an_error(offer):
    offer(("mine", "Mine", "storekit.codecs"), ("mine", "MINE", "storekit.codecs"))
    with pytest.raises(ValueError, match="both have a codec named 'mine'"):
        CodecRegistry.default().with_entry_points()
    offer(("json", "Mine", "storekit.codecs"))
    with pytest.raises(ValueError, match="has a codec named 'json'"):
        CodecRegistry.default().with_entry_points()


# Packages


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("json", "msgspec", "msgspec"),
        ("msgpack", "msgspec", "msgspec"),
        ("raw+zstd", "zstandard", "zstd"),
        ("raw+lz4", "lz4", "lz4"),
        ("arrow", "pyarrow", "arrow"),
        ("polars", "polars", "polars"),
        ("pandas", "pandas", "pandas"),
    ],
)
def test_a_missing_package_is_an_error_that_says_what_to_install(monkeypatch, name, package, extra):
    for module in [m for m in sys.modules if m.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [_Hider(package), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError, match=rf"{package}.*pip install 'storekit\[{extra}\]'"):
        CodecRegistry.default().get(name)
    if name in TABLES:
        with pytest.raises(ModuleNotFoundError, match=rf"pip install 'storekit\[{extra}\]'"):
            TableRegistry.default().get(name)


def test_encryption_says_what_to_install(monkeypatch):
    from storekit.codecs import Encrypted

    monkeypatch.setattr(sys, "meta_path", [_Hider("cryptography"), *sys.meta_path])
    for module in [m for m in sys.modules if m.split(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'storekit\[crypto\]'"):
        Encrypted(Raw(), keys=b"k" * 32)


class _Hider:
    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(
    "code",
    [
        "import storekit.codecs, storekit.codecs.tables",
        "from storekit.codecs import CodecRegistry as R; R.default().get('raw'); R.default().names",
        "from storekit.codecs.tables import TableRegistry as R; R.default().of([{}]).encode([{}])",
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_used(code):
    code += (
        "; import sys; heavy = {'msgspec', 'zstandard', 'lz4', 'cryptography', 'pyarrow', 'polars',"
        "'pandas', 'numpy'}; print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_unknown_names_of_the_packages_are_attribute_errors():
    import storekit.codecs
    import storekit.codecs.tables

    for module in (storekit.codecs, storekit.codecs.tables):
        assert all(getattr(module, name) is not None for name in module.__all__)
        with pytest.raises(AttributeError, match="no attribute 'Yaml'"):
            module.Yaml  # noqa: B018
