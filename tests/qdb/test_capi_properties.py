"""Random operations through the C library: the right results, and nothing left over."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storekit.qdb.capi.handle import VIEW_SIZE
from storekit.qdb.capi.session import CapiSession
from storekit.qdb.engine import NEVER, BatchOperation, OperationKind
from storekit.qdb.errors import (
    AliasAlreadyExists,
    AliasNotFound,
    QuasardbException,
    UnmatchedContent,
)
from tests.qdb.libraries import Counters


@pytest.fixture
def session(door_session: CapiSession) -> CapiSession:
    return door_session


# Properties


ALIASES = st.sampled_from(["a", "b", "ä", "long" * 200])
CONTENTS = st.one_of(st.binary(max_size=40), st.sampled_from([b"", bytes(VIEW_SIZE)]))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "update", "get", "take", "swap", "cas", "remove_if", "remove"]),
        ALIASES,
        CONTENTS,
        CONTENTS,
    ),
    max_size=30,
)


def expected(model: dict[str, bytes], name: str, alias: str, new: bytes, old: bytes) -> object:
    """Do to a dictionary what is done to the store."""
    there = model.get(alias)
    if name == "update":
        model[alias] = new
        return there is None
    if name == "put":
        model.setdefault(alias, new)
        return None if there is None else AliasAlreadyExists
    if there is None:
        return AliasNotFound
    if name == "swap" or (name == "cas" and there == old):
        model[alias] = new
    elif name in ("take", "remove") or (name == "remove_if" and there == old):
        del model[alias]
    if name == "cas":
        return None if there == old else there
    if name == "remove_if":
        return None if there == old else UnmatchedContent
    return there if name in ("get", "take", "swap") else None


def actual(session: CapiSession, name: str, alias: str, new: bytes, old: bytes) -> object:
    calls: dict[str, Callable[[], object]] = {
        "put": lambda: session.blob_put(alias, new, NEVER),
        "update": lambda: session.blob_update(alias, new, NEVER),
        "get": lambda: session.blob_get(alias),
        "take": lambda: session.blob_get_and_remove(alias),
        "swap": lambda: session.blob_get_and_update(alias, new, NEVER),
        "cas": lambda: session.blob_compare_and_swap(alias, new, old, NEVER),
        "remove_if": lambda: session.blob_remove_if(alias, old),
        "remove": lambda: session.remove(alias),
    }
    try:
        return calls[name]()
    except QuasardbException as exc:
        return type(exc)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_behaves_like_a_dictionary(session: CapiSession, steps):
    session.purge_all(10)
    model: dict[str, bytes] = {}
    for name, alias, new, old in steps:
        wanted = expected(model, name, alias, new, old)
        assert actual(session, name, alias, new, old) == wanted
    assert dict(session.scan(None, 100)[0]) == model


def test_a_hundred_thousand_operations_leak_nothing(connect, counters: Counters):
    allocated, released, handles = counters.allocated, counters.released, counters.handles
    chance = random.Random(3)
    session = connect()
    large = bytes(VIEW_SIZE)
    session.blob_put("large", large, NEVER)
    kept: list[object] = []
    steps: list[tuple[int, Callable[[str], object]]] = [
        (1, lambda alias: session.blob_update(alias, b"content", NEVER)),
        (1, session.blob_get),
        (1, lambda alias: kept.append(session.blob_get("large"))),
        (1, lambda alias: session.blob_compare_and_swap(alias, b"x", b"?", NEVER)),
        (1, lambda alias: session.blob_get_and_update(alias, b"x", NEVER)),
        (1, session.blob_get_and_remove),
        (1, lambda alias: session.blob_remove_if(alias, b"y")),
        (1, lambda alias: session.prefix_get("1", 100)),
        (1, lambda alias: session.blob_get("..")),
        (1, lambda alias: session.scan(None, 2)),
        (1, session.get_tags),
        (
            16,
            lambda alias: session.run_batch(
                [
                    *[BatchOperation(OperationKind.BLOB_GET, str(i)) for i in range(14)],
                    BatchOperation(OperationKind.BLOB_UPDATE, alias, content=b"b"),
                    BatchOperation(OperationKind.BLOB_GET_AND_REMOVE, alias),
                ]
            ),
        ),
    ]
    done = 0
    while done < 100_000:
        weight, step = chance.choice(steps)
        done += weight
        try:
            result = step(str(chance.randrange(30)))
            if isinstance(result, tuple):
                session.scan_close(result[1])
        except QuasardbException:
            pass
        if len(kept) > 10:
            kept.clear()
    kept.clear()
    session.close()
    assert counters.allocated - allocated > 30_000
    assert counters.allocated - allocated == counters.released - released
    assert counters.handles == handles
