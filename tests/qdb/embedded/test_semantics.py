"""What is recorded of QuasarDB holds for the embedded engine."""

from pathlib import Path

import pytest

from storekit.qdb.embedded import EmbeddedEngine
from tests.qdb.semantics import Clock, Run, sequences

RECORDED = list(sequences())

pytestmark = pytest.mark.skipif(not RECORDED, reason="the recorded sequences are not here")


@pytest.mark.parametrize("place", ["memory", "file"])
@pytest.mark.parametrize("sequence", RECORDED, ids=lambda sequence: sequence["id"])
def test_recorded_sequence(sequence: dict, place: str, tmp_path: Path) -> None:
    clock = Clock()
    location = "embedded:" if place == "memory" else f"embedded:{tmp_path / 'store'}"
    engine = EmbeddedEngine(location, clock=clock.now)
    session = engine.connect()
    try:
        Run(session, clock).sequence(sequence)
    finally:
        session.close()
