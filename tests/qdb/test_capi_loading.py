"""Finding and loading the C library, and what is refused before any connection."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from storekit.qdb.capi import ENVIRONMENT, CapiEngine, LibraryUnavailable
from storekit.qdb.capi import library as loading
from storekit.qdb.capi.handle import Handle
from storekit.qdb.capi.library import Library, load_library
from storekit.qdb.capi.options import MAX_PARALLELISM, apply_options
from storekit.qdb.capi.uri import join_uris
from storekit.qdb.engine import LONGEST_TIMEOUT, SessionOptions
from storekit.qdb.errors import ErrorCode, QuasardbException
from tests.qdb.libraries import refusal
from tools.generate_qdb_bindings import OUTPUT, bindings

SECRET = "SVw8cDlZEI4OYfZ1Zm6BTJZ1GzQGAqGVFtTvhoSwhHfE="
MAX_CONNECT = 10.0  # seconds that nothing here may take; the real limits are asserted


# Finding and loading


def test_bindings_are_what_the_header_says():
    assert OUTPUT.read_text() == bindings()


def test_loads_the_library_of_the_package_without_importing_it(vendor_path: Path):
    code = (
        "import sys; from storekit.qdb.capi import CapiEngine;"
        "print(CapiEngine('qdb://127.0.0.1:1').describe()['library'], 'quasardb' in sys.modules)"
    )
    environment = {name: text for name, text in os.environ.items() if name != ENVIRONMENT}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == [str(vendor_path), "False"]


def test_importing_the_engine_protocol_does_not_load_cffi():
    code = (
        "import sys, storekit.qdb.engine; assert not {'cffi', '_cffi_backend'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_named_library_comes_first(monkeypatch, vendor_path: Path, tmp_path: Path):
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "by_environment.so"))
    with pytest.raises(LibraryUnavailable, match=r"by STOREKIT_QDB_LIBRARY.*by_environment\.so"):
        load_library()
    with pytest.raises(LibraryUnavailable, match=r"by argument.*by_argument\.so"):
        load_library(tmp_path / "by_argument.so")
    assert load_library(vendor_path).path == str(vendor_path)
    monkeypatch.setenv(ENVIRONMENT, str(vendor_path))
    assert load_library().path == str(vendor_path)


def test_says_what_to_install_if_there_is_none(monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(loading, "_FILE_NAMES", {sys.platform: ["libqdb_api_nowhere.so"]})
    with pytest.raises(LibraryUnavailable, match=r"pip install 'storekit\[quasardb\]'") as caught:
        load_library()
    assert ENVIRONMENT in str(caught.value)


def test_says_what_to_install_if_cffi_is_missing(monkeypatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "storekit.qdb.capi._bindings", None)
    with pytest.raises(LibraryUnavailable, match=r"cffi.*pip install 'storekit\[quasardb\]'"):
        load_library(tmp_path / "any.so")


def test_refuses_another_library():
    with pytest.raises(LibraryUnavailable, match="it lacks qdb_"):
        load_library("libc.so.6")


@pytest.mark.parametrize("stride", [80, 88, 96])
def test_refuses_operations_of_another_size(vendor: Library, stride: int):
    def init_operations(operations: Any, count: int) -> int:
        room = vendor.ffi.cast("char *", operations)
        for i in range(count):
            vendor.ffi.memmove(room + i * stride, bytes(stride), stride)
            operation = vendor.ffi.cast("qdb_operation_t *", room + i * stride)
            operation.type, operation.error = -1, ErrorCode.UNINITIALIZED - 2**32
        return 0

    lib = SimpleNamespace(qdb_init_operations=init_operations)
    expected = contextlib.nullcontext() if stride == 88 else pytest.raises(LibraryUnavailable)
    with expected:
        loading._check_layout(vendor.ffi, lib, "test.so")


def test_engine_tells_versions_and_no_secrets(vendor_path: Path, vendor: Library):
    options = SessionOptions(user="alice", secret_key=SECRET, cluster_public_key="P" * 44 + "=")
    engine = CapiEngine("qdb://127.0.0.1:1", options, vendor_path)
    assert engine.version() == vendor.version
    assert engine.version().startswith("3.")
    assert engine.build()
    shown = f"{engine!r} {dict(engine.describe())}"
    assert "qdb://127.0.0.1:1" in shown
    assert "alice" in shown
    assert SECRET not in shown
    assert "PPPP" not in shown


def test_codes_and_messages_are_those_of_the_library(vendor_path: Path, vendor: Library):
    ffi: Any = importlib.import_module("cffi").FFI()
    ffi.cdef("const char *qdb_error(int32_t error);")
    for code in ErrorCode:
        signed = code - 2**32 if code >= 2**31 else code
        assert ffi.string(ffi.dlopen(str(vendor_path)).qdb_error(signed)).decode() == code.message


# URIs


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        ("qdb://127.0.0.1:2836", "qdb://127.0.0.1:2836"),
        (["qdb://a:1", "qdb://b:2,c:3", "qdb://a:1"], "qdb://a:1,b:2,c:3"),
        ("qdb://[::1]:2836", "qdb://[::1]:2836"),
    ],
)
def test_uris(given: Any, joined: str):
    assert join_uris(given) == joined


@pytest.mark.parametrize(
    "uri",
    [
        *("", "qdb://", "a:1", "qdb://a", "qdb://a:", "qdb://a:0", "qdb://a:65536", "qdb://a:-1"),
        *("QDB://a:1", "http://a:1", " qdb://a:1", "qdb://a:1,", "qdb://a:1;", "qdb://a:1/path"),
        *("qdb://::1:1", "qdb://a:1,qdb://b:2", "qdb://a b:1", "qdb://a:1\0", "qdb://a:١"),  # noqa: RUF001
    ],
)
def test_refused_uris(uri: str):
    with pytest.raises(ValueError, match=r"URI|host and port"):
        CapiEngine(uri)


def test_no_uri():
    with pytest.raises(ValueError, match="at least one"):
        join_uris([])


def test_password_in_a_uri_is_not_shown():
    with pytest.raises(ValueError, match="credentials are session options") as caught:
        join_uris("qdb://alice:hunter2@a:1")
    assert "hunter2" not in str(caught.value)


# Options


@pytest.mark.parametrize(
    "options",
    [
        *({"timeout": 0}, {"timeout": -1}, {"timeout": float("nan")}, {"timeout": 1e9}),
        *({"max_parallelism": -1}, {"max_parallelism": MAX_PARALLELISM + 1}),
        *({"max_in_buffer": 0}, {"max_batch_load": 0}, {"connections_per_address": 1}),
        *({"user": "a"}, {"secret_key": SECRET}, {"user": "", "secret_key": SECRET}),
        {"cluster_public_key": "P\0"},
    ],
)
def test_refused_options(options: dict[str, Any]):
    with pytest.raises(ValueError) as caught:
        CapiEngine("qdb://127.0.0.1:1", SessionOptions(**options))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("max_in_buffer", "1", "an int, not str"),
        ("max_parallelism", True, "an int, not bool"),
        ("timeout", "5", "a number of seconds, not str"),
        ("compression", "fast", "True or False, not str"),
        ("secret_key", SECRET.encode(), "a str, not bytes"),
    ],
)
def test_options_of_wrong_type(name: str, value: Any, wanted: str):
    with pytest.raises(TypeError, match=f"{name} must be {wanted}") as caught:
        SessionOptions(**{name: value})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("timeout", "milliseconds"),
    [
        (None, 60_000),
        (0.1, 1000),
        (1, 1000),
        (1.2, 2000),
        (3, 3000),
        (LONGEST_TIMEOUT, 1000 * LONGEST_TIMEOUT),
    ],
)
def test_the_library_always_has_a_timeout_of_whole_seconds(
    vendor: Library, timeout: float | None, milliseconds: int
):
    handle = Handle(vendor)
    apply_options(vendor, handle, SessionOptions(timeout=timeout))
    place = vendor.ffi.new("int *")
    with handle as pointer:
        assert vendor.lib.qdb_option_get_timeout(pointer, place) == 0
    assert place[0] == milliseconds
    handle.close()


def test_all_options_are_accepted(counted: Library, handle: Handle):
    options = SessionOptions(
        timeout=1,
        compression=True,
        encryption=True,
        user="alice",
        secret_key=SECRET,
        cluster_public_key="Pb+d1o3HuFtxEb5uTl9peU89ze9BZTK9f8KdKr4k7zGA=",
        max_parallelism=1,
        max_in_buffer=2**20,
        max_batch_load=16,
        connections_per_address=4,
    )
    apply_options(counted, handle, options)
    levels = [arguments[1] for name, arguments in counted.lib.calls if name.endswith("compression")]
    assert levels[-1] in (1, 3)
    assert 2 not in levels


def test_refused_key_is_named_and_not_shown(vendor: Library, handle: Handle):
    options = SessionOptions(user="alice", secret_key="no such key")
    with pytest.raises(QuasardbException, match="'secret_key'") as caught:
        apply_options(vendor, handle, options)
    assert caught.value.error_code == ErrorCode.INVALID_CRYPTO_KEY
    assert "no such key" not in str(caught.value)


def test_handle_is_closed_if_an_option_is_refused(counted: Library, monkeypatch):
    engine = CapiEngine("qdb://127.0.0.1:1", SessionOptions(cluster_public_key="P"))
    monkeypatch.setattr(engine, "_library", counted)
    assert refusal(engine.connect) == ErrorCode.INVALID_CRYPTO_KEY
    assert counted.lib.count("qdb_open") == counted.lib.count("qdb_close") == 1


class Lacking:
    """A library of an earlier version, which does not have some functions."""

    def __init__(self, lib: Any, *names: str) -> None:
        self._lib = lib
        self._names = names

    def __dir__(self) -> list[str]:
        return dir(self._lib)

    def __getattr__(self, name: str) -> Any:
        if name in self._names:
            raise AttributeError(name)
        return getattr(self._lib, name)


def opened_lacking(monkeypatch, vendor: Library, *names: str) -> Library:
    class Ffi:
        error = vendor.ffi.error

        def dlopen(self, path: str, flags: int) -> Lacking:
            return Lacking(vendor.lib, *names)

        def __getattr__(self, name: str) -> Any:
            return getattr(vendor.ffi, name)

    monkeypatch.setattr(loading.importlib, "import_module", lambda _: SimpleNamespace(ffi=Ffi()))
    return loading._open("earlier.so", "by argument")


SETTERS = {
    "max_batch_load": "qdb_option_set_client_max_batch_load",
    "connections_per_address": "qdb_option_set_connection_per_address_soft_limit",
}


@pytest.mark.parametrize("option", SETTERS)
def test_a_library_without_a_setter_loads_and_its_option_is_an_error(
    monkeypatch, vendor: Library, option: str
):
    library = opened_lacking(monkeypatch, vendor, *SETTERS.values())
    handle = Handle(library)
    try:
        apply_options(library, handle, SessionOptions(max_in_buffer=2**24))
        with pytest.raises(QuasardbException, match=f"does not have the option '{option}'"):
            apply_options(library, handle, SessionOptions(**{option: 10}))
    finally:
        handle.close()


def test_a_library_that_lacks_more_is_refused_with_what_it_lacks(monkeypatch, vendor: Library):
    lacking = ["qdb_double_add", "qdb_double_get", "qdb_remove"]
    with pytest.raises(LibraryUnavailable) as caught:
        opened_lacking(monkeypatch, vendor, *lacking)
    assert ", ".join(lacking) in str(caught.value)
    assert f"is version {vendor.version} of" in str(caught.value)
    assert "3.13.7 or later" in str(caught.value)


def test_what_is_no_such_library_is_called_that(monkeypatch, vendor: Library):
    with pytest.raises(LibraryUnavailable, match="is not a QuasarDB C library"):
        opened_lacking(monkeypatch, vendor, *dir(vendor.lib))
