"""Settings and URLs of kits."""

import pytest

import storekit
from storekit import PoolLimits, RetryPolicy, Settings
from storekit.kit.settings import session_options
from storekit.kit.urls import QDB, QCache, parse_url


@pytest.mark.parametrize(
    ("url", "store"),
    [
        ("qdb://host:2836", QDB("qdb://host:2836")),
        ("qdb://a:1,b:2", QDB("qdb://a:1,b:2")),
        ("embedded:", QDB("embedded:")),
        ("embedded:/a/path", QDB("embedded:/a/path")),
        ("qdb+embedded:x?mode=memory", QDB("embedded:x?mode=memory")),
        ("qcache://a:1,b:2", QCache(("http://a:1", "http://b:2"))),
        ("qcaches://a:1/path", QCache(("https://a:1/path",))),
        ("qcache+embedded:", QCache(("embedded:",))),
        ("qcache+embedded:shared", QCache(("embedded:shared",))),
    ],
)
def test_url_means_a_store(url, store):
    assert parse_url(url) == store


@pytest.mark.parametrize(
    "url",
    ["", "redis://host", "qcache:host", "qcache://", "qcache://a:1,", "host:1", "qdb+http://a"],
)
def test_url_that_means_none_is_refused_with_all_forms(url):
    with pytest.raises(ValueError, match="qcache://host:port"):
        parse_url(url)


@pytest.mark.parametrize("url", ["qcache://user:secret@host:1", "http://user:secret@host"])
def test_password_in_a_url_is_not_repeated(url):
    with pytest.raises(ValueError) as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


def test_url_must_be_text():
    with pytest.raises(TypeError, match="bytes"):
        parse_url(b"embedded:")


def test_environment_is_read_as_values_of_toml_or_text():
    settings = Settings.from_environment(
        {
            "STOREKIT_QDB": "qdb://a:1",
            "STOREKIT_TIMEOUT": "2.5",
            "STOREKIT_RETRY__ATTEMPTS": "4",
            "STOREKIT_RETRY__RETRY_WRITES": "true",
            "STOREKIT_QCACHE_OPTIONS__AUTH": '["user", "secret"]',
            "STOREKIT_QCACHE_OPTIONS__LIMITS__MAX_SIZE": "3",
            "STOREKIT_QDB_LIBRARY": "not a setting",
            "STOREKIT_QDB_OPTIONS__SESSION__USER": "me",
            "OTHER": "1",
        }
    )
    assert settings.qdb == "qdb://a:1"
    assert settings.timeout == 2.5
    assert settings.retry == RetryPolicy(attempts=4, retry_writes=True)
    assert settings.qcache_options == {
        "auth": ("user", "secret"),
        "limits": PoolLimits(max_size=3),
    }
    assert settings.qdb_options == {"session": {"user": "me"}}
    assert session_options({"user": "me"}).user == "me"


def test_nothing_in_the_environment_means_embedded_stores():
    assert Settings.from_environment({}) == Settings()
    assert (Settings().qdb, Settings().qcache) == ("embedded:", "qcache+embedded:")


def test_secrets_are_in_no_repr():
    settings = Settings.from_mapping({"qcache_options": {"auth": ["user", "secret"]}})
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"has no table \[storekit\]"),
        ("storekit = 1", r"has no table \[storekit\]"),
        ("[storekit]\nqbd = 'x'", "no setting 'qbd'; there are .*qdb"),
        ("[storekit.retry]\nattempt = 1", r"no setting retry\.attempt; there are attempts"),
        ("[storekit.retry]\nattempts = 0", "attempts must be"),
        ("[storekit]\nqdb_options = 1", "qdb_options must be a table"),
        ("[storekit", "kit.toml"),
    ],
)
def test_file_that_is_wrong_is_named_with_the_key(tmp_path, content, message):
    path = tmp_path / "kit.toml"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        Settings.from_toml(path)
    assert "kit.toml" in str(caught.value)


def test_variable_below_one_that_has_a_value_is_refused():
    with pytest.raises((TypeError, ValueError)):
        Settings.from_environment({"STOREKIT_RETRY": "1", "STOREKIT_RETRY__ATTEMPTS": "2"})


def test_the_face_loads_on_first_use():
    assert storekit.connect is not storekit.connect_async
    with pytest.raises(AttributeError, match="nothing"):
        storekit.nothing  # noqa: B018 - it raises
