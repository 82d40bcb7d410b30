"""Tests of `sessions.py`: no server, and no sleeping.

Run it:  python -m pytest examples/test_sessions.py      (needs: pip install storekit pytest)
"""

import pytest

from examples.sessions import Sessions
from storekit.qdb import Client, ConnectionFailed
from storekit.testing import Clock, Faults, Record

pytest_plugins = ["storekit.testing.plugin"]  # in a program of one's own, this is in conftest.py


@pytest.fixture
def sessions(qdb: Client) -> Sessions:
    return Sessions(qdb)


def test_a_session_goes_on_as_long_as_it_is_used(sessions: Sessions, clock: Clock) -> None:
    session = sessions.begin("ada")
    for _ in range(3):
        clock.advance(3500)
        assert sessions.user_of(session) == "ada"
    clock.advance(3601)
    assert sessions.user_of(session) is None


def test_a_store_that_is_away_for_a_moment_ends_no_session(
    sessions: Sessions, faults: Faults, record: Record
) -> None:
    session = sessions.begin("ada")
    faults.fail("get", ConnectionFailed, times=2)
    assert sessions.user_of(session) == "ada"
    assert record.of("get")[0].attempts == 3


def test_a_store_that_is_down_is_an_error_and_not_a_stranger(
    sessions: Sessions, faults: Faults
) -> None:
    session = sessions.begin("ada")
    faults.down("qdb")
    with pytest.raises(ConnectionFailed):
        sessions.user_of(session)
    faults.up("qdb")
    assert sessions.user_of(session) == "ada"
