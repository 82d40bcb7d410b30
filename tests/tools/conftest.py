"""Fixtures of the tests of the tools."""

from pathlib import Path

import pytest

from tests.tools.generating import Repository


@pytest.fixture
def repo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Repository:
    return Repository(tmp_path, capsys)
