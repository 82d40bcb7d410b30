"""Operations made one by one have the outcomes of the methods of a session."""

import pytest

from storekit.qdb.embedded import EmbeddedEngine
from storekit.qdb.engine import NEVER, EntryType, Kind, Operation, Outcome
from storekit.qdb.errors import ErrorCode

GONE = Outcome(ErrorCode.ALIAS_NOT_FOUND)


@pytest.fixture
def session():
    session = EmbeddedEngine("embedded:").connect()
    session.blob_put("blob", b"old", NEVER)
    session.int_put("int", 1, NEVER)
    session.double_put("double", 1.5, NEVER)
    session.string_put("string", "ä", NEVER)
    yield session
    session.close()


@pytest.mark.parametrize(
    ("operation", "outcome"),
    [
        (Operation(Kind.BLOB_GET, "blob"), Outcome(0, b"old")),
        (Operation(Kind.BLOB_GET, "none"), GONE),
        (Operation(Kind.BLOB_PUT, "new", b"1"), Outcome(0)),
        (Operation(Kind.BLOB_PUT, "blob", b"1"), Outcome(ErrorCode.ALIAS_ALREADY_EXISTS)),
        (Operation(Kind.BLOB_UPDATE, "new", b"1"), Outcome(ErrorCode.OK_CREATED)),
        (Operation(Kind.BLOB_UPDATE, "blob", b"1"), Outcome(0)),
        (Operation(Kind.BLOB_CAS, "blob", b"1", b"old"), Outcome(0)),
        (Operation(Kind.BLOB_CAS, "blob", b"1", b""), Outcome(ErrorCode.UNMATCHED_CONTENT, b"old")),
        (Operation(Kind.BLOB_GET_AND_UPDATE, "blob", b"1"), Outcome(0, b"old")),
        (Operation(Kind.BLOB_GET_AND_REMOVE, "blob"), Outcome(0, b"old")),
        (Operation(Kind.BLOB_REMOVE_IF, "blob", None, b"old"), Outcome(0)),
        (Operation(Kind.BLOB_REMOVE_IF, "blob", None, b""), Outcome(ErrorCode.UNMATCHED_CONTENT)),
        (Operation(Kind.REMOVE, "int"), Outcome(0)),
        (Operation(Kind.REMOVE, "none"), GONE),
        (Operation(Kind.HAS_TAG, "blob", tag="t"), Outcome(ErrorCode.TAG_NOT_SET)),
        (Operation(Kind.GET_ENTRY_TYPE, "int"), Outcome(0, EntryType.INTEGER)),
        (Operation(Kind.INT_PUT, "new", 1), Outcome(0)),
        (Operation(Kind.INT_UPDATE, "new", 1), Outcome(ErrorCode.OK_CREATED)),
        (Operation(Kind.INT_GET, "int"), Outcome(0, 1)),
        (Operation(Kind.INT_ADD, "int", 2), Outcome(0, 3)),
        (Operation(Kind.INT_ADD, "int", 2**63 - 1), Outcome(ErrorCode.OVERFLOW)),
        (Operation(Kind.DOUBLE_PUT, "new", 0.5), Outcome(0)),
        (Operation(Kind.DOUBLE_UPDATE, "double", 0.5), Outcome(0)),
        (Operation(Kind.DOUBLE_GET, "double"), Outcome(0, 1.5)),
        (Operation(Kind.DOUBLE_ADD, "double", 1.0), Outcome(0, 2.5)),
        (Operation(Kind.STRING_GET, "string"), Outcome(0, "ä".encode())),
        (Operation(Kind.STRING_PUT, "new", b"a"), Outcome(0)),
        (Operation(Kind.STRING_UPDATE, "new", b"a"), Outcome(ErrorCode.OK_CREATED)),
        (
            Operation(Kind.STRING_CAS, "string", b"a", b"b"),
            Outcome(ErrorCode.UNMATCHED_CONTENT, "ä".encode()),
        ),
        (Operation(Kind.STRING_GET_AND_UPDATE, "string", b"a"), Outcome(0, "ä".encode())),
        (Operation(Kind.BLOB_GET, "int"), Outcome(ErrorCode.INCOMPATIBLE_TYPE)),
    ],
)
def test_an_operation_has_the_outcome_of_its_method(session, operation, outcome):
    made = session.run_joined([operation, Operation(Kind.REMOVE, "none")])
    assert [(each.error, each.content) for each in made] == [
        (outcome.error, outcome.content),
        (GONE.error, None),
    ]


def test_what_is_malformed_has_its_own_error_and_the_rest_is_done(session):
    made = session.run_joined(
        [
            Operation(Kind.BLOB_UPDATE, "a", b"1"),
            Operation(Kind.BLOB_UPDATE, "..b", b"2"),
            Operation(Kind.BLOB_UPDATE, "", b"3"),
            Operation(Kind.BLOB_UPDATE, "c", b"4", expiry=1),
            Operation(Kind.BLOB_GET, "blob"),
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
