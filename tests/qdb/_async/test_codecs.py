import datetime
import hashlib
import pickle
import re
import threading
import uuid

import pyarrow
import pytest

from storekit import CodecError, qdb
from storekit.codecs import (
    Arrow,
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
)
from storekit.qdb import (
    AsyncClient,
    AsyncRawClient,
    AsyncRawForwardIterator,
    BatchRequest,
    Operations,
)
from tests.qdb._async.coded import ADA, KEY, User, collect
from tests.support.qdb_faults import FaultyEngine

OTHER_KEY = b"o" * 32
PLAIN = {"a": [1, 2.5, None, "ü"], "b": {"c": True}}
LARGE = 256 * 1024
TABLE = pyarrow.table({"a": [1, 2, None], "b": ["x", "y", "z"]})

TYPED = [
    (Raw(), b"\x00\xff"),
    (Text(), "tëxt"),
    (Json(User), ADA),
    (Msgpack(User), ADA),
    (Pickle([User]), ADA),
    (Arrow(), TABLE),
    (Zstd(Json(User)), ADA),
    (Lz4(Msgpack(User)), ADA),
    (Signed(Json(User), keys=KEY), ADA),
    (Encrypted(Json(User), keys=KEY), ADA),
    (Framed(Msgpack(User), Json(User)), ADA),
]
NAMED = [
    ("raw", b"\x00\xff"),
    ("text", "tëxt"),
    ("json", PLAIN),
    ("msgpack", PLAIN),
    ("pickle", {"when": {1, 2}, **PLAIN}),
    ("arrow", TABLE),
    ("json+zstd", PLAIN),
    ("pickle+lz4", PLAIN),
]
CODECS = [pytest.param(codec, value, id=codec.name) for codec, value in TYPED] + [
    pytest.param(name, value, id=f"by-name-{name}") for name, value in NAMED
]


@pytest.mark.parametrize(("codec", "value"), CODECS)
async def test_a_client_stores_what_its_codec_is_of(store, codec, value):
    async with AsyncClient(store.place, codec=codec) as client, AsyncRawClient(store.place) as raw:
        await client.put("alias", value)
        assert await client.get("alias") == value
        used = CodecRegistry.default().get(codec)
        assert used.decode(await raw.get("alias")) == value
        await client.update(("alias", 2), value)  # aliases are any objects, as they ever were
        assert await client.get_update(("alias", 2), value) == value
        assert await client.get_remove(("alias", 2)) == value


@pytest.mark.parametrize(("codec", "value"), CODECS)
async def test_a_call_can_have_a_codec_of_its_own(store, codec, value):
    async with AsyncClient(store.place) as client, AsyncRawClient(store.place) as raw:
        for each in (client, raw):
            await each.update("alias", value, codec=codec)
            assert await each.get("alias", codec=codec) == value
            assert await each.get_update("alias", value, codec=codec) == value
            assert await each.get_remove("alias", codec=codec) == value
            await each.put("alias", value, codec=codec)
        await client.put("own", {1, 2})
        assert await client.get("own") == {1, 2}


async def test_steps_that_compare_take_codecs(store):
    signed = Signed(Json(), keys=KEY)
    async with AsyncClient(store.place, codec="json") as client:
        await client.put("a", [1])
        assert await client.compare_and_swap("a", [2], [9]) == [1]
        assert await client.compare_and_swap("a", [2], [1]) == [1]
        assert await client.get("a") == [2]
        await client.update("a", [3], codec=signed)
        assert await client.compare_and_swap("a", [4], [9], codec=signed) == [3]
        assert await client.compare_and_swap("a", [4], [3], codec=signed) == [3]
        with pytest.raises(qdb.UnmatchedContent):
            await client.remove_if("a", [4])
        with pytest.raises(qdb.UnmatchedContent):
            await client.remove_if("a", [3], codec=signed)
        await client.remove_if("a", [4], codec=signed)
        assert await client.prefix_get("a") == []


@pytest.mark.parametrize(
    "codec",
    [
        Encrypted(Json(), keys=KEY),
        Signed(Encrypted(Json(), keys=KEY), keys=KEY),
        Framed(Encrypted(Json(), keys=KEY), Json()),
    ],
    ids=lambda codec: codec.name,
)
async def test_what_never_matches_is_not_compared(codec):
    engine = FaultyEngine()
    async with (
        AsyncClient("fake", engine=engine, codec=codec) as own,
        AsyncClient("fake", engine=engine) as client,
    ):
        sent = engine.calls
        for call, codecs in ((own, {}), (client, {"codec": codec})):
            for operation in (
                lambda call=call, codecs=codecs: call.compare_and_swap("a", 1, 2, **codecs),
                lambda call=call, codecs=codecs: call.remove_if("a", 1, **codecs),
                lambda call=call, codecs=codecs: call.run_batch(
                    [BatchRequest(Operations.cas, "a", 1, 2)], **codecs
                ),
                lambda call=call, codecs=codecs: call.run_transaction(
                    [BatchRequest(Operations.remove_if, "a", comparand=1)], **codecs
                ),
            ):
                with pytest.raises(ValueError, match=f"compares.*{re.escape(codec.name)}"):
                    await operation()
        assert engine.calls == sent
    framed = Framed(Encrypted(Json(), keys=KEY), Json()).using("json")
    assert framed.deterministic


UNFIT = [
    (Raw(), 5, TypeError),
    (Text(), "\ud800", ValueError),
    (Json(User), {"name": "Ada"}, TypeError),
    (Json(), object(), TypeError),
    (Msgpack(), 2**70, ValueError),
    (Zstd(Raw(), max_size=3), b"1234", ValueError),
    ("pickle", lambda: None, TypeError),
    ("no such codec", 1, ValueError),
    ("json+encrypted", 1, ValueError),
    (5, 1, TypeError),
    (Json, 1, TypeError),
]


@pytest.mark.parametrize(("codec", "value", "error"), UNFIT)
async def test_what_has_no_form_in_a_codec_is_refused_before_anything_is_sent(codec, value, error):
    engine = FaultyEngine()
    async with AsyncClient("fake", engine=engine) as client:
        sent = engine.calls
        for write in (client.put, client.update, client.get_update, client.remove_if):
            with pytest.raises(error):
                await write("a", value, codec=codec)
        with pytest.raises(error):
            await client.compare_and_swap("a", value, value, codec=codec)
        with pytest.raises(error):
            await client.run_batch([BatchRequest(Operations.put, "a", value)], codec=codec)
        with pytest.raises(error):
            await client.run_transaction([BatchRequest(Operations.put, "a", value)], codec=codec)
        assert engine.calls == sent


async def test_a_codec_that_is_unknown_is_refused_before_anything_is_sent():
    engine = FaultyEngine()
    async with AsyncClient("fake", engine=engine) as client:
        sent = engine.calls
        for read in (client.get, client.get_remove):
            with pytest.raises(ValueError, match="no codec named 'jsom'"):
                await read("a", codec="jsom")
        with pytest.raises(ValueError, match="no codec named 'jsom'"):
            client.entries(codec="jsom")
        assert engine.calls == sent
    with pytest.raises(ValueError, match="no codec named 'jsom'"):
        AsyncClient("fake", engine=engine, codec="jsom")
    with pytest.raises(TypeError, match="a codec"):
        AsyncClient("fake", engine=engine, codec=Json)
    assert engine.sessions_made <= 1


UNREADABLE = [
    pytest.param(codec, content, layer, id=f"{codec.name}-{number}")
    for number, (codec, content, layer) in enumerate(
        [
            (Text(), b"\xff", "text"),
            (Json(), b"{", "json"),
            (Json(User), b"[]", "json"),
            (Msgpack(), b"\xc1", "msgpack"),
            (Pickle(), b"no pickle", "pickle"),
            (Pickle(), pickle.dumps(ADA), "pickle"),
            (Arrow(), b"", "arrow"),
            (Zstd(Json()), b"{}", "json+zstd"),
            (Zstd(Json()), Zstd(Raw()).encode(b"{"), "json"),
            (Lz4(Json()), b"{}", "json+lz4"),
            (Signed(Json(), keys=KEY), Signed(Json(), keys=OTHER_KEY).encode(1), "json+signed"),
            (Encrypted(Json(), keys=KEY), b"{}", "json+encrypted"),
            (Framed(Json(), Text()), b"{}", "framed"),
        ]
    )
]


@pytest.mark.parametrize(("codec", "content", "layer"), UNREADABLE)
async def test_unreadable_content_is_one_error_with_codec_and_key(store, codec, content, layer):
    async with AsyncClient(store.place) as client, AsyncRawClient(store.place) as raw:
        await raw.put("the alias", content)
        with pytest.raises(CodecError) as caught:
            await client.get("the alias", codec=codec)
        assert (caught.value.codec, caught.value.key) == (layer, "the alias")
        assert f"codec {layer}, key 'the alias'" in str(caught.value)
        with pytest.raises(CodecError) as caught:
            await client.compare_and_swap("the alias", ADA, ADA, codec=OneWay(codec))
        assert (caught.value.codec, caught.value.key) == (layer, "the alias")
        with pytest.raises(CodecError) as caught:
            await client.get_remove("the alias", codec=codec)
        assert (caught.value.codec, caught.value.key) == (layer, "the alias")
        assert await raw.prefix_get("the") == []


class OneWay:
    """Decodes as another codec does, and encodes whatever it is given."""

    content_type = "application/octet-stream"

    def __init__(self, inner):
        self.name = inner.name
        self.decode = inner.decode

    def encode(self, value):
        return b""


async def test_the_key_of_an_error_is_the_alias_as_it_is_stored(store):
    async with AsyncClient(store.place, codec=Json(User)) as client:
        await client.put(("a", 1), "text", codec=Text())
        with pytest.raises(CodecError) as caught:
            await client.get(("a", 1))
        assert await client.get_metadata(("a", 1))
        async with AsyncRawClient(store.place) as raw:
            assert await raw.prefix_get(caught.value.key) == [caught.value.key]
            assert await raw.get(caught.value.key) == b"text"


class Broken:
    """A codec of somebody else's that does what none should."""

    name = "broken"
    content_type = "text/plain"

    def encode(self, value):
        return str(value)

    def decode(self, data):
        raise KeyError("the content")


async def test_a_codec_of_somebody_elses_that_fails_is_a_codec_error_too(store):
    async with AsyncClient(store.place, codec=Broken()) as client:
        with pytest.raises(TypeError, match="the codec broken returned str"):
            await client.put("a", 1)
        await client.put("a", b"", codec="raw")
        with pytest.raises(CodecError, match="codec broken, key 'a'") as caught:
            await client.get("a")
        assert "the content" not in str(caught.value)


async def test_a_framed_store_has_values_of_many_codecs(store):
    codecs = [Json(), Msgpack(), Zstd(Pickle()), Signed(Text(), keys=KEY)]
    framed = Framed(*codecs)
    async with AsyncClient(store.place, codec=framed) as client:
        for number, codec in enumerate(codecs):
            await client.put(codec.name, str(number), codec=framed.using(codec.name))
        expected = {codec.name: str(number) for number, codec in enumerate(codecs)}
        assert await collect(client) == expected
        requests = [BatchRequest(Operations.get_alloc, codec.name) for codec in codecs]
        _, results = await client.run_batch(requests)
        assert [each.result for each in results] == list(expected.values())
        with pytest.raises(CodecError, match=r"but 'msgpack' \(codec framed, key 'msgpack'\)"):
            await client.get("msgpack", codec=Framed(Json(), Text()))


async def test_a_client_knows_codecs_by_the_names_of_its_registry(store):
    registry = CodecRegistry.default().with_wrapper("signed", lambda codec: Signed(codec, keys=KEY))
    async with (
        AsyncClient(store.place, codec="json+signed", registry=registry) as client,
        AsyncRawClient(store.place, registry=registry) as raw,
    ):
        await client.put("a", [1])
        assert await client.get("a", codec=Signed(Json(), keys=KEY)) == [1]
        assert await client.with_timeout(5).get("a") == [1]
        assert await raw.get("a", codec="json+signed") == [1]
    async with AsyncClient(store.place, registry=CodecRegistry()) as client:
        with pytest.raises(ValueError, match="no codec named 'json'"):
            await client.get("a", codec="json")


async def test_without_a_codec_values_are_the_pickles_they_ever_were(store):
    async with AsyncClient(store.place, allow=[User]) as client, AsyncRawClient(store.place) as raw:
        await client.put("a", ADA)
        assert await raw.get("a") == pickle.dumps(ADA, 2)
        assert await client.get("a") == ADA
        await raw.update("a", pickle.dumps(uuid.UUID(int=5)))
        assert await client.get("a") == uuid.UUID(int=5)
    async with AsyncClient(store.place, allow=[User]) as client:
        await client.update("a", ADA)
    async with AsyncClient(store.place) as client:
        with pytest.raises(qdb.ClassNotAllowed, match="allow=") as caught:
            await client.get("a")
        assert (caught.value.codec, caught.value.key) == ("pickle", "a")
    async with AsyncClient(store.place, trust_pickle=True) as client:
        assert await client.get("a") == ADA


@pytest.mark.parametrize("options", [{"allow": [User]}, {"trust_pickle": True}])
async def test_what_pickles_may_name_is_said_where_they_are_made(options):
    engine = FaultyEngine()
    for codec in ("pickle", Pickle(), Json()):
        with pytest.raises(TypeError, match=r"codec=Pickle\(allow"):
            AsyncClient("fake", engine=engine, codec=codec, **options)
    assert engine.sessions_made == 0


async def test_a_client_is_a_raw_client_as_documented():
    engine = FaultyEngine()
    async with AsyncClient("fake", engine=engine) as client:
        assert isinstance(client, AsyncRawClient)
        assert isinstance(aiter(client), AsyncRawForwardIterator)


class Watched:
    """Raw content, with a note of the threads that it was turned in."""

    name = "watched"
    content_type = "application/octet-stream"

    def __init__(self):
        self.threads = []

    def encode(self, value):
        self.threads.append(threading.get_ident())
        return value if type(value) is bytes else bytes(value)

    def decode(self, data):
        self.threads.append(threading.get_ident())
        return bytes(data)


async def test_large_content_does_not_hold_up_others(store):
    here = threading.get_ident()
    codec = Watched()
    async with AsyncClient(store.place, codec=codec) as client:
        for size, elsewhere in ((LARGE - 1, False), (LARGE, not is_sync(client))):
            content = hashlib.sha256(b"").digest() * (size // 32) + b"-" * (size % 32)
            await client.update("a", content)
            assert await client.get("a") == content
            assert await client.get_update("a", bytearray(content)) == content
            assert await collect(client) == {"a": content}
            requests = [BatchRequest(Operations.get_alloc, "a")]
            assert (await client.run_batch(requests))[1][0].result == content
            assert [thread != here for thread in codec.threads] == [elsewhere] * 6
            codec.threads.clear()


def is_sync(client):
    return hasattr(client, "__enter__")


class Own:
    """A class that nobody has allowed."""


NOT_READABLE = [Own(), {"a": [Own()]}, Own]


@pytest.mark.parametrize("value", NOT_READABLE, ids=["object", "within", "class"])
async def test_no_call_stores_what_the_client_could_not_read(store, value):
    request = qdb.BatchRequest
    async with AsyncClient(store.place) as client:
        await client.update("a", 1)
        for call in (
            lambda: client.put("b", value),
            lambda: client.update("a", value),
            lambda: client.get_update("a", value),
            lambda: client.compare_and_swap("a", value, 1),
            lambda: client.compare_and_swap("a", 1, value),
            lambda: client.remove_if("a", value),
            lambda: client.put("b", value, codec="pickle"),
            lambda: client.run_batch([request(qdb.Operations.put, "b", value)]),
            lambda: client.run_transaction([request(qdb.Operations.update, "a", value)]),
        ):
            with pytest.raises(TypeError, match="allow="):
                await call()
        assert await client.get("a") == 1
        with pytest.raises(qdb.AliasNotFound):
            await client.get("b")


async def test_content_that_was_taken_out_and_cannot_be_read_is_on_the_error(store):
    content = b"no pickle at all"
    async with AsyncRawClient(store.place) as raw, AsyncClient(store.place) as client:
        for take in (lambda: client.get_remove("a"), lambda: client.get_update("a", 1)):
            await raw.update("a", content)
            with pytest.raises(CodecError) as caught:
                await take()
            assert caught.value.content == content
            assert "no pickle" not in str(caught.value)
        for operation in (qdb.Operations.get_remove, qdb.Operations.get_update):
            await raw.update("a", content)
            new = 1 if operation is qdb.Operations.get_update else None
            _, (result,) = await client.run_batch([qdb.BatchRequest(operation, "a", new)])
            assert result.failure.content == content


async def test_times_of_expiry_can_be_stored(store):
    async with AsyncClient(store.place) as client:
        await client.update("a", 1, datetime.timedelta(hours=1))
        until = await client.get_expiry_time("a")
        modified = (await client.get_metadata("a")).modified
        await client.update("lease", {"until": until, "since": modified})
        assert await client.get("lease") == {"until": until, "since": modified}
