"""What type checkers make of the clients of QuasarDB; checked by them, never run."""

from dataclasses import dataclass
from typing import Any, assert_type

from storekit.codecs import CodecRegistry, Encrypted, Framed, Json, Msgpack, Raw, Text, Zstd
from storekit.qdb import (
    AsyncClient,
    AsyncForwardIterator,
    AsyncRawClient,
    AsyncRawForwardIterator,
    BatchRequest,
    BatchResult,
    Client,
    ForwardIterator,
    RawClient,
    RawForwardIterator,
)


@dataclass
class User:
    name: str


ADA = User("Ada")
USERS = Json(User)

# What a client is of is what its codec is of.
assert_type(Client("embedded:"), Client[Any])
assert_type(Client("embedded:", allow=[User]), Client[Any])
assert_type(Client("embedded:", codec=USERS), Client[User])
assert_type(Client("embedded:", codec=Zstd(USERS), timeout=5), Client[User])
assert_type(Client("embedded:", codec="json", registry=CodecRegistry.default()), Client[Any])
assert_type(AsyncClient("embedded:"), AsyncClient[Any])
assert_type(AsyncClient("embedded:", trust_pickle=True), AsyncClient[Any])
assert_type(AsyncClient("embedded:", codec=USERS), AsyncClient[User])
assert_type(AsyncClient("embedded:", codec=Encrypted(USERS, keys=b"")), AsyncClient[User])
assert_type(AsyncClient("embedded:", codec="json+zstd"), AsyncClient[Any])
Client("embedded:", codec=USERS, allow=[User])  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
Client("embedded:", timeuot=5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


def sync(client: Client[User], anything: Client, raw: RawClient) -> None:
    assert_type(client.get("a"), User)
    assert_type(client.get(("a", 1)), User)
    assert_type(client.get_update("a", ADA), User)
    assert_type(client.get_remove("a"), User)
    assert_type(client.compare_and_swap("a", ADA, ADA), User)
    client.put("a", ADA)
    client.update("a", "no user")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    client.remove_if("a", 5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]

    assert_type(client.get("a", codec=Text()), str)
    assert_type(client.get("a", codec=Msgpack(list[int])), list[int])
    assert_type(client.get("a", codec="json"), Any)
    assert_type(client.get_update("a", "text", codec=Text()), str)
    assert_type(client.get_update("a", 5, codec="json"), Any)
    assert_type(client.get_remove("a", codec=Raw()), bytes)
    assert_type(client.get_remove("a", codec="raw"), Any)
    assert_type(client.compare_and_swap("a", "x", "y", codec=Text()), str)
    assert_type(client.compare_and_swap("a", 5, "y", codec="json"), Any)
    client.put("a", "text", codec=Text())
    client.put("a", 5, codec="json")
    client.put("a", 5, codec=Text())  # type: ignore[misc]  # pyright: ignore[reportCallIssue, reportArgumentType]
    client.remove_if("a", "text", codec=Text())
    client.remove_if("a", 5, codec="json")

    get = [BatchRequest(0, "a")]
    assert_type(client.run_batch(get), tuple[int, list[BatchResult[User]]])
    assert_type(client.run_batch(get)[1][0].result, User | None)
    assert_type(client.run_batch(get, codec=Text()), tuple[int, list[BatchResult[str]]])
    assert_type(client.run_batch(get, codec="json"), tuple[int, list[BatchResult[Any]]])
    assert_type(client.run_transaction(get), list[BatchResult[User]])
    assert_type(client.run_transaction(get, codec=Text()), list[BatchResult[str]])
    assert_type(client.run_transaction(get, codec="json"), list[BatchResult[Any]])

    for alias, value in client:
        assert_type(alias, Any)
        assert_type(value, User)
    assert_type(client.entries(), ForwardIterator[User])
    assert_type(client.entries(codec=Text()), ForwardIterator[str])
    assert_type(client.entries(codec="json"), ForwardIterator[Any])
    assert_type(ForwardIterator(client), ForwardIterator[User])
    assert_type(ForwardIterator(client, 16, codec=Text()), ForwardIterator[str])
    assert_type(client.prefix_get("a"), list[Any])

    # Without a word on its values, a client is one of any.
    assert_type(anything.get("a"), Any)
    anything.put(("a", 1), ADA)
    for _, each in anything:
        assert_type(each, Any)

    assert_type(raw.get("a"), bytes)
    assert_type(raw.get("a", codec=USERS), User)
    assert_type(raw.get_view("a"), memoryview)
    assert_type(raw.get("a", None), bytes | None)
    assert_type(raw.get("a", default=5), bytes | int)
    assert_type(raw.get("a", None, codec=USERS), User | None)
    assert_type(raw.get_many(["a"], codec=USERS), dict[str | bytes, User])
    assert_type(raw.put_many({"a": b"1"}).done, int)
    assert_type(raw.find("tag='a'"), list[str])
    assert_type(raw.timestamp_add("a", 1), int)
    assert_type("a" in raw, bool)
    assert_type(raw.prefix_get("a"), list[str])
    assert_type(raw.run_batch(get)[1][0].result, bytes | None)
    raw.put("a", "text")
    raw.put(b"a", bytearray())
    raw.put("a", ADA, codec=USERS)
    raw.put("a", 5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    raw.put(5, b"")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    for text, content in raw:
        assert_type(text, str)
        assert_type(content, bytes)
    assert_type(raw.entries(), RawForwardIterator[bytes])
    assert_type(raw.entries(codec=USERS), RawForwardIterator[User])
    assert_type(RawForwardIterator(raw), RawForwardIterator[bytes])
    assert_type(RawForwardIterator(raw, codec=USERS), RawForwardIterator[User])

    with client as entered:
        assert_type(entered, Client[User])
    assert_type(client.with_timeout(5), Client[User])


async def load_user() -> User:
    return ADA


async def not_sync(client: AsyncClient[User], anything: AsyncClient, raw: AsyncRawClient) -> None:
    assert_type(await client.get("a"), User)
    assert_type(await client.get_update("a", ADA), User)
    assert_type(await client.get_remove("a"), User)
    assert_type(await client.compare_and_swap("a", ADA, ADA), User)
    await client.update("a", "no user")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]

    assert_type(await client.get("a", codec=Text()), str)
    assert_type(await client.get("a", codec=Framed(Json(int), Msgpack(int))), int)
    assert_type(await client.get("a", codec="json"), Any)
    assert_type(await client.get_update("a", "text", codec=Text()), str)
    assert_type(await client.get_remove("a", codec=Raw()), bytes)
    assert_type(await client.compare_and_swap("a", "x", "y", codec=Text()), str)
    await client.put("a", "text", codec=Text())
    await client.put("a", 5, codec=Text())  # type: ignore[misc]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await client.remove_if("a", 5, codec="json")

    get = [BatchRequest(0, "a")]
    assert_type(await client.run_batch(get), tuple[int, list[BatchResult[User]]])
    assert_type(await client.run_batch(get, codec=Text()), tuple[int, list[BatchResult[str]]])
    assert_type(await client.run_transaction(get, codec="json"), list[BatchResult[Any]])

    assert_type(await client.get("a", None), User | None)
    assert_type(await client.get("a", codec=Text(), default=0), str | int)
    assert_type(await client.get_or_load("a", load_user), User)
    async for found in raw.aliases("a"):
        assert_type(found, str)

    async for _, value in client:
        assert_type(value, User)
    async for _, text in client.entries(codec=Text()):
        assert_type(text, str)
    assert_type(client.entries(), AsyncForwardIterator[User])
    assert_type(AsyncForwardIterator(client), AsyncForwardIterator[User])
    assert_type(AsyncForwardIterator(client, codec="json"), AsyncForwardIterator[Any])

    assert_type(await anything.get("a"), Any)
    assert_type(await raw.get("a"), bytes)
    assert_type(await raw.get("a", codec=USERS), User)
    async for alias, content in raw:
        assert_type(alias, str)
        assert_type(content, bytes)
    assert_type(AsyncRawForwardIterator(raw), AsyncRawForwardIterator[bytes])
    async with client as entered:
        assert_type(entered, AsyncClient[User])
