"""A sync client that is interrupted at any line keeps nothing leased, and works."""

import gc
import sys

import pytest

from storekit.core.threads import _sync as executor
from storekit.options import PoolLimits
from storekit.qdb import ErrorCode, RawClient, StoreTimeout
from storekit.qdb._sync import calls
from tests.support.qdb_faults import FaultyEngine

FILES = {executor.__file__, calls.__file__}


class TimeLimit(Exception):
    """What a signal handler raises."""


def interrupted(call, line):
    """Make a call that is interrupted at so many lines from its start; False if it has fewer."""
    left = line

    def trace(frame, event, _):
        nonlocal left
        if frame.f_code.co_filename not in FILES:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise TimeLimit
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except TimeLimit:
        return True
    finally:
        sys.settrace(before)
    return left <= 0


@pytest.mark.parametrize("outcome", ["done", "failed"])
@pytest.mark.parametrize("max_size", [1, 3])
def test_whatever_line_is_interrupted_nothing_stays_leased(outcome, max_size):
    engine = FaultyEngine({"a": b"1"})
    limits = PoolLimits(max_size=max_size)
    with RawClient("fake", engine=engine, limits=limits, timeout=5) as client:

        def get():
            try:
                client.get("a")
            except StoreTimeout:
                assert outcome == "failed"

        gc.disable()
        try:
            line, went_on = 1, True
            while went_on:
                engine._failures[:] = [ErrorCode.TIMEOUT] if outcome == "failed" else []
                went_on = interrupted(get, line)
                assert client.statistics().calls == 0
                line += 1
            engine._failures[:] = []
            assert client.get("a") == b"1"
        finally:
            gc.enable()
        assert line > 10
    assert engine.clashes == 0
