"""Operations that are made together have the outcomes of the methods of a session."""

import itertools
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storekit.qdb.alone import run_alone
from storekit.qdb.embedded import EmbeddedEngine
from storekit.qdb.engine import NEVER, PRESERVE, BatchOperation, EntryType, OperationKind, Outcome
from storekit.qdb.errors import AliasNotFound, ErrorCode

GONE = Outcome(ErrorCode.ALIAS_NOT_FOUND)


@pytest.fixture(params=["embedded", "C library"])
def session(request, tmp_path):
    if request.param == "embedded":
        session = EmbeddedEngine(f"embedded:{tmp_path}/store").connect()
    else:
        session = request.getfixturevalue("connect")()
    session.blob_put("blob", b"old", NEVER)
    session.int_put("int", 1, NEVER)
    session.double_put("double", 1.5, NEVER)
    session.string_put("string", "ä", NEVER)
    yield session
    session.close()


@pytest.mark.parametrize(
    ("operation", "outcome"),
    [
        (BatchOperation(OperationKind.BLOB_GET, "blob"), Outcome(0, b"old")),
        (BatchOperation(OperationKind.BLOB_GET, "none"), GONE),
        (BatchOperation(OperationKind.BLOB_PUT, "new", b"1"), Outcome(0)),
        (
            BatchOperation(OperationKind.BLOB_PUT, "blob", b"1"),
            Outcome(ErrorCode.ALIAS_ALREADY_EXISTS),
        ),
        (BatchOperation(OperationKind.BLOB_UPDATE, "new", b"1"), Outcome(ErrorCode.OK_CREATED)),
        (BatchOperation(OperationKind.BLOB_UPDATE, "blob", b"1"), Outcome(0)),
        (BatchOperation(OperationKind.BLOB_CAS, "blob", b"1", b"old"), Outcome(0)),
        (
            BatchOperation(OperationKind.BLOB_CAS, "blob", b"1", b""),
            Outcome(ErrorCode.UNMATCHED_CONTENT, b"old"),
        ),
        (BatchOperation(OperationKind.BLOB_GET_AND_UPDATE, "blob", b"1"), Outcome(0, b"old")),
        (BatchOperation(OperationKind.BLOB_GET_AND_REMOVE, "blob"), Outcome(0, b"old")),
        (BatchOperation(OperationKind.BLOB_REMOVE_IF, "blob", None, b"old"), Outcome(0)),
        (
            BatchOperation(OperationKind.BLOB_REMOVE_IF, "blob", None, b""),
            Outcome(ErrorCode.UNMATCHED_CONTENT),
        ),
        (BatchOperation(OperationKind.REMOVE, "int"), Outcome(0)),
        (BatchOperation(OperationKind.REMOVE, "none"), GONE),
        (BatchOperation(OperationKind.HAS_TAG, "blob", tag="t"), Outcome(ErrorCode.TAG_NOT_SET)),
        (BatchOperation(OperationKind.GET_ENTRY_TYPE, "int"), Outcome(0, EntryType.INTEGER)),
        (BatchOperation(OperationKind.INT_PUT, "new", 1), Outcome(0)),
        (BatchOperation(OperationKind.INT_UPDATE, "new", 1), Outcome(ErrorCode.OK_CREATED)),
        (BatchOperation(OperationKind.INT_GET, "int"), Outcome(0, 1)),
        (BatchOperation(OperationKind.INT_ADD, "int", 2), Outcome(0, 3)),
        (BatchOperation(OperationKind.INT_ADD, "int", 2**63 - 1), Outcome(ErrorCode.OVERFLOW)),
        (BatchOperation(OperationKind.DOUBLE_PUT, "new", 0.5), Outcome(0)),
        (BatchOperation(OperationKind.DOUBLE_UPDATE, "double", 0.5), Outcome(0)),
        (BatchOperation(OperationKind.DOUBLE_GET, "double"), Outcome(0, 1.5)),
        (BatchOperation(OperationKind.DOUBLE_ADD, "double", 1.0), Outcome(0, 2.5)),
        (BatchOperation(OperationKind.STRING_GET, "string"), Outcome(0, "ä".encode())),
        (BatchOperation(OperationKind.STRING_PUT, "new", b"a"), Outcome(0)),
        (BatchOperation(OperationKind.STRING_UPDATE, "new", b"a"), Outcome(ErrorCode.OK_CREATED)),
        (
            BatchOperation(OperationKind.STRING_CAS, "string", b"a", b"b"),
            Outcome(ErrorCode.UNMATCHED_CONTENT, "ä".encode()),
        ),
        (
            BatchOperation(OperationKind.STRING_GET_AND_UPDATE, "string", b"a"),
            Outcome(0, "ä".encode()),
        ),
        (BatchOperation(OperationKind.BLOB_GET, "int"), Outcome(ErrorCode.INCOMPATIBLE_TYPE)),
    ],
)
def test_an_operation_has_the_outcome_of_its_method(session, operation, outcome):
    made = session.run_joined([operation, BatchOperation(OperationKind.REMOVE, "none")])
    assert [(each.error, each.content) for each in made] == [
        (outcome.error, outcome.content),
        (GONE.error, None),
    ]


def test_what_is_malformed_has_its_own_error_and_the_rest_is_done(session):
    made = session.run_joined(
        [
            BatchOperation(OperationKind.BLOB_UPDATE, "a", b"1"),
            BatchOperation(OperationKind.BLOB_UPDATE, "..b", b"2"),
            BatchOperation(OperationKind.BLOB_UPDATE, "", b"3"),
            BatchOperation(OperationKind.BLOB_UPDATE, "c", b"4", expiry=1),
            BatchOperation(OperationKind.BLOB_GET, "blob"),
        ]
    )
    assert [each.error for each in made] == [
        ErrorCode.OK_CREATED,
        ErrorCode.RESERVED_ALIAS,
        ErrorCode.INVALID_ARGUMENT,
        ErrorCode.INVALID_ARGUMENT,
        ErrorCode.OK,
    ]
    assert session.blob_get("a") == b"1"


CONTENTS = st.sampled_from([b"", b"1", b"22", b"x" * 5000])
NUMBERS = st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)])
DOUBLES = st.sampled_from([0.0, -1.5, 1e300])
TEXTS = st.sampled_from([b"", "ä".encode(), b"a\0b", b"\xff"])
EXPIRIES = st.sampled_from([NEVER, PRESERVE, 1, 2**62, 2**63])
ALIASES = st.sampled_from(["a", "b", "blob", "int", "double", "string", "tagged", "..a", "", "\0"])

WRITES = [OperationKind.BLOB_PUT, OperationKind.BLOB_UPDATE, OperationKind.BLOB_GET_AND_UPDATE]
STRING_WRITES = [
    OperationKind.STRING_PUT,
    OperationKind.STRING_UPDATE,
    OperationKind.STRING_GET_AND_UPDATE,
]
LOOKS = [
    OperationKind.BLOB_GET,
    OperationKind.INT_GET,
    OperationKind.DOUBLE_GET,
    OperationKind.STRING_GET,
    OperationKind.REMOVE,
    OperationKind.BLOB_GET_AND_REMOVE,
    OperationKind.GET_ENTRY_TYPE,
]


def operations(aliases=ALIASES):
    return st.one_of(
        st.builds(BatchOperation, st.sampled_from(WRITES), aliases, CONTENTS, expiry=EXPIRIES),
        st.builds(
            BatchOperation, st.just(OperationKind.BLOB_CAS), aliases, CONTENTS, CONTENTS, EXPIRIES
        ),
        st.builds(
            BatchOperation, st.just(OperationKind.BLOB_REMOVE_IF), aliases, st.none(), CONTENTS
        ),
        st.builds(BatchOperation, st.sampled_from(STRING_WRITES), aliases, TEXTS, expiry=EXPIRIES),
        st.builds(
            BatchOperation, st.just(OperationKind.STRING_CAS), aliases, TEXTS, TEXTS, EXPIRIES
        ),
        st.builds(
            BatchOperation,
            st.sampled_from([OperationKind.INT_PUT, OperationKind.INT_UPDATE]),
            aliases,
            NUMBERS,
            expiry=EXPIRIES,
        ),
        st.builds(BatchOperation, st.just(OperationKind.INT_ADD), aliases, NUMBERS),
        st.builds(
            BatchOperation,
            st.sampled_from([OperationKind.DOUBLE_PUT, OperationKind.DOUBLE_UPDATE]),
            aliases,
            DOUBLES,
            expiry=EXPIRIES,
        ),
        st.builds(BatchOperation, st.just(OperationKind.DOUBLE_ADD), aliases, DOUBLES),
        st.builds(BatchOperation, st.sampled_from(LOOKS), aliases),
        st.builds(BatchOperation, st.just(OperationKind.HAS_TAG), aliases, tag=st.just("tag")),
    )


def filled(session):
    for alias in session.prefix_get("a", 10) + session.prefix_get("b", 10):
        session.remove(alias)
    session.blob_update("blob", b"22", NEVER)
    for alias, put in (
        ("int", lambda: session.int_put("int", 1, NEVER)),
        ("double", lambda: session.double_put("double", 1.5, NEVER)),
        ("string", lambda: session.string_put("string", "ä", NEVER)),
        ("tagged", lambda: session.blob_put("tagged", b"1", NEVER)),
    ):
        with suppress(AliasNotFound):
            session.remove(alias)
        put()
    session.attach_tag("tagged", "tag")
    return session


def outcome_of(outcome):
    content = outcome.content
    return outcome.error, bytes(content) if isinstance(content, memoryview) else content


def made_alone(session, made):
    try:
        return outcome_of(run_alone(session, made))
    except UnicodeDecodeError:  # text that is none: the method takes str
        return None


def state_of(session):
    found = {}
    for alias in ("a", "b", "blob", "int", "double", "string", "tagged"):
        try:
            metadata = session.get_metadata(alias)
        except AliasNotFound:
            continue
        reads = {
            EntryType.BLOB: session.blob_get,
            EntryType.INTEGER: session.int_get,
            EntryType.DOUBLE: session.double_get,
            EntryType.STRING: session.string_get,
        }
        content = reads[metadata.type](alias)
        if isinstance(content, memoryview):
            content = bytes(content)
        found[alias] = metadata.type, content, metadata.expiry, session.get_tags(alias)
    return found


def well_formed(given):
    texts = [given.content, given.comparand] if given.kind in STRINGS else []
    return b"\xff" not in texts


STRINGS = {*STRING_WRITES, OperationKind.STRING_CAS}


@given(
    made=st.lists(operations().filter(well_formed), max_size=6, unique_by=lambda each: each.alias)
)
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_operations_on_different_entries_have_the_outcomes_that_they_have_alone(session, made):
    filled(session)
    joined = [outcome_of(each) for each in session.run_joined(made)]
    after = state_of(session)
    filled(session)
    assert joined == [made_alone(session, each) for each in made]
    assert after == state_of(session)


@given(
    made=st.lists(
        operations(st.sampled_from(["blob", "int", "a"])).filter(well_formed),
        min_size=2,
        max_size=4,
    )
)
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_operations_on_one_entry_have_the_outcomes_of_some_order(session, made):
    filled(session)
    joined = [outcome_of(each) for each in session.run_joined(made)]
    after = state_of(session)
    for order in itertools.permutations(range(len(made))):
        filled(session)
        alone = {number: made_alone(session, made[number]) for number in order}
        outcomes = [alone[number] for number in range(len(made))]
        if outcomes == joined and after == state_of(session):
            return
    raise AssertionError(f"no order of {made} gives {joined}")
