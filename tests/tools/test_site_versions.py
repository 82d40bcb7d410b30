"""Versions of the site stand beside each other, and the newest release is what one comes to."""

import json

import pytest

from tools.site_versions import newest_first, write


def test_releases_come_first_and_are_sorted_by_their_numbers():
    versions = ["0.9.0", "1.0rc1", "0.10.0", "0.2.0"]
    assert newest_first(versions) == ["0.10.0", "0.9.0", "0.2.0", "1.0rc1"]


def test_all_versions_are_listed_and_the_newest_is_led_to(tmp_path):
    for version in ("0.1.0", "0.2.0"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "objects.inv").touch()
    (tmp_path / "something else").mkdir()
    assert write(tmp_path) == ["0.2.0", "0.1.0"]
    assert json.loads((tmp_path / "versions.json").read_text()) == ["0.2.0", "0.1.0"]
    assert 'url=0.2.0/"' in (tmp_path / "index.html").read_text()


def test_a_folder_without_versions_is_said_to_be_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="nox -s docs"):
        write(tmp_path)
