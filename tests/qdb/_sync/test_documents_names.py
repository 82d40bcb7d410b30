# Generated from tests/qdb/_async/test_documents_names.py by tools/generate_sync.py; do not edit.

"""Documents by name, and what is listed of them."""

import contextlib
import enum
import io
import json
import uuid

import pytest

from storekit import qdb
from storekit.qdb import Client, DocumentDamaged, RawClient

NAMES = [
    "a", "reports/2026-01.csv", "Zoë", "a b", "%", "%0000", "a\0b", "\ud800", "x" * 900, "x" * 901,
    "x" * 5000, "é" * 449 + "xé", "é" * 600, "x" * 5000 + "y", "..", "..reserved", "\x10=1", "0",
    "\n", "KEY.json", "12345678-1234-1234-1234-12345678901", "urn:uuid:x",
]  # fmt: skip


class Report(str, enum.Enum):  # noqa: UP042 - what people have
    MAY = "reports/may"


def stored(client, key, content=b"content", **options):
    return client.upload(io.BytesIO(content), key, **options)


def names_of(client, *prefix):
    return [info.name for info in client.documents(*prefix)]


def test_any_text_is_the_key_of_a_document_of_its_own(store):
    with RawClient(store.place) as client:
        for number, name in enumerate(NAMES):
            assert stored(client, name, b"%d" % number, slice_size=1) == name
        for number, name in enumerate(NAMES):
            copy = io.BytesIO()
            info = client.download(name, copy)
            assert copy.getvalue() == b"%d" % number
            assert (info.key, info.name, info.size) == (name, name, len(copy.getvalue()))
            assert client.document_info(name) == info
        assert sorted(names_of(client)) == sorted(NAMES)
        for name in NAMES:
            found = names_of(client, name)
            assert sorted(found) == sorted(each for each in NAMES if each.startswith(name))
            client.remove_document(name)
        assert [alias for alias, _ in client] == []


@pytest.mark.parametrize("spelling", ["{}", "{{{}}}", "urn:uuid:{}", "hex", "upper"])
def test_text_that_is_a_uuid_is_that_uuid(store, spelling):
    key = uuid.UUID("a2345678-1234-1234-1234-123456789012")
    text = {"hex": key.hex, "upper": str(key).upper()}.get(spelling) or spelling.format(key)
    with RawClient(store.place) as client:
        assert stored(client, text) == key
        assert names_of(client) == names_of(client, "a2345678-") == [str(key)]
        assert client.document_info(key).key == key


def test_text_of_any_class_is_its_text(store):
    with Client(store.place) as client:
        assert type(stored(client, Report.MAY)) is str
        assert names_of(client, Report.MAY) == ["reports/may"]
        assert client.document_info("reports/may").name == "reports/may"


def test_a_listing_has_name_size_and_time_of_what_is_whole(timed_store):
    with RawClient(timed_store.place, **timed_store.options) as client:
        key = stored(client, None, b"12345", slice_size=2)
        stored(client, "name", b"123")
        with pytest.raises(TypeError):
            client.upload(iter([b"x" * 10, "text"]), "broken", slice_size=4)
        found = {info.key: info for info in client.documents()}
        assert {each: (info.size, info.slices) for each, info in found.items()} == {
            key: (5, 3),
            "name": (3, 1),
        }
        for each, info in found.items():
            assert info == client.document_info(each)
            assert info.uploaded == client.document_info(each).uploaded
            assert abs(info.uploaded.timestamp() - timed_store.options["clock"]()) < 5
        stored(client, "name", b"1234567")
        client.remove_document(key)
        assert [(each.name, each.size) for each in client.documents()] == [("name", 7)]


def test_a_document_that_is_being_replaced_is_not_listed(store):
    with RawClient(store.place) as client:
        stored(client, "name")
        with pytest.raises(TypeError):
            client.upload(iter([b"x" * 10, "text"]), "name", slice_size=4)
        assert names_of(client) == []
        stored(client, "name", resume=True)
        assert names_of(client) == ["name"]


def test_many_documents_are_read_in_parts(store):
    with RawClient(store.place) as client:
        names = [f"{number:03}" for number in range(300)]
        for name in names:
            stored(client, name, b"")
        assert names_of(client) == names
        found = client.documents()
        with contextlib.closing(found):
            assert next(found).name == "000"


ODD = [
    b"", b"[]", b"[" * 100_000, b"\xff", b'{"version":1}', b'{"version":1,"name":5}',
    {"size": -1}, {"size": "1"}, {"size": True}, {"size": 2**64}, {"slices": None},
    {"slices": 1.5}, {"checksum": "x"}, {"checksum": None}, {"uploaded": "now"}, {"uploaded": [1]},
    {"name": "other"}, {"name": ""}, {"version": 2}, {"version": True},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: str(odd)[:40])
def test_what_somebody_else_wrote_there_is_left_out(store, odd):
    with RawClient(store.place) as client:
        stored(client, "good")
        stored(client, "odd")
        (alias,) = client.prefix_get("storekit/documents/odd")
        content = odd
        if isinstance(odd, dict):
            content = json.dumps({**json.loads(client.get(alias)), **odd}).encode()
        client.update(alias, content)
        assert names_of(client) == ["good"]
        assert client.document_info("odd").size == 7


def test_entries_of_other_types_are_left_out(store):
    with RawClient(store.place) as client:
        stored(client, "good")
        client.int_put("storekit/documents/number", 5)
        assert names_of(client) == ["good"]


def test_a_manifest_of_another_name_is_damage(store):
    with RawClient(store.place) as client:
        stored(client, "one")
        stored(client, "other")
        (one, other) = [a for a, _ in client if a.endswith(".json")]
        content = {alias: client.get(alias) for alias in (one, other)}
        client.update(one, content[other])
        client.update(other, content[one])
        for name in ("one", "other"):
            with pytest.raises(DocumentDamaged):
                client.download(name, io.BytesIO())


@pytest.mark.parametrize(("key", "error"), [("", ValueError), (5, TypeError), (b"a", TypeError)])
def test_what_is_no_key(store, key, error):
    with RawClient(store.place) as client:
        for call in (
            lambda: stored(client, key),
            lambda: client.download(key, io.BytesIO()),
            lambda: client.document_info(key),
            lambda: client.remove_document(key),
        ):
            with pytest.raises(error):
                call()
        with pytest.raises(TypeError, match="prefix"):
            names_of(client, 5)


def test_a_name_that_is_not_there_is_in_the_error(store):
    with RawClient(store.place) as client:
        for call in (
            lambda: client.download("no such name", io.BytesIO()),
            lambda: client.document_info("no such name"),
            lambda: client.remove_document("no such name"),
        ):
            with pytest.raises(qdb.AliasNotFound, match="no such name"):
                call()


def test_documents_show_themselves(store):
    with RawClient(store.place) as client:
        stored(client, "<b>", b"x" * 1500, slice_size=1000)
        info = client.document_info("<b>")
    assert repr(info).startswith("<DocumentInfo '<b>': 1,500 bytes in 2 slices, 2")
    assert "&lt;b&gt;" in info._repr_html_()
    assert "<b>" not in info._repr_html_()
    assert info.checksum[:40] in info._repr_html_()
    assert len(repr(qdb.DocumentInfo("x" * 1000, 5, 1, None))) < 150
