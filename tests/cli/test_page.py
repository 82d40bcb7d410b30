"""`docs/cli.md`: what it shows is what commands print."""

import re

import pytest

from storekit.cli import application, exits
from tests.cli.recorded import BLOCK, PAGE, masked, replayed

TEXT = PAGE.read_text()


@pytest.mark.slow
def test_commands_print_what_the_page_shows():
    assert replayed(TEXT) == TEXT


def test_the_page_has_the_exit_codes():
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", TEXT, re.MULTILINE)
    assert {int(code): meaning for code, meaning in rows} == exits.CODES


def test_the_page_shows_each_command():
    shown = "\n".join(block[2] for block in BLOCK.finditer(TEXT))
    shown += "\n".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL))
    for group in application.COMMANDS.values():
        for name in group:
            assert re.search(rf"storekit {name}\b", shown), name


def test_what_differs_each_time_is_left_out_and_nothing_else():
    assert masked("get  1  22790  0.04 ms") == masked("get 32 9 12.5 s")
    assert masked("get 1") != masked("put 1")
