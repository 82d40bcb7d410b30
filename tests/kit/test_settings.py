"""Settings and URLs of kits."""

import pytest

import storekit
from storekit import PoolLimits, RetryPolicy, Settings
from storekit.codecs import CodecRegistry, Raw
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


@pytest.mark.parametrize(
    "url",
    [
        "qcache://user:secret@host:1",
        "http://user:secret@host",
        "qdb://user:secret@host:1",
        "qcache:user:secret@host:1",
        "user:secret@host",
    ],
)
def test_password_in_a_url_is_not_repeated(url):
    with pytest.raises(ValueError) as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)
    for store in ("qdb", "qcache"):
        with pytest.raises(ValueError) as caught:
            Settings(**{store: url})
        assert "secret" not in str(caught.value)


def test_at_sign_in_a_path_is_no_password():
    assert parse_url("embedded:/a@b") == QDB("embedded:/a@b")


@pytest.mark.parametrize("url", ["qcache://a:1,http://b:2", "qcache://a:1, b:2", "qcache:// a:1"])
def test_url_of_more_than_hosts_is_refused(url):
    with pytest.raises(ValueError, match="hosts and commas"):
        parse_url(url)


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


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("STOREKIT_TIMEOT", "5", "did you mean STOREKIT_TIMEOUT"),
        ("STOREKIT_QBD", "embedded:", "did you mean STOREKIT_QDB"),
        ("STOREKIT_RETRYS__ATTEMPTS", "5", "did you mean STOREKIT_RETRY"),
        ("STOREKIT_TIMEOUT", "five", "number of seconds"),
        ("STOREKIT_TIMEOUT", "-1", "more than 0"),
        ("STOREKIT_CONNECT_TIMEOUT", "true", "number of seconds"),
        ("STOREKIT_RETRY", "often", "a table"),
        ("STOREKIT_RETRY__ATEMPTS", "3", "attempts"),
        ("STOREKIT_CODEC", "7", "name of a codec"),
        ("STOREKIT_CODEC", "jsno", "no codec named 'jsno'; there are .*json"),
        ("STOREKIT_QDB_OPTIONS__TIMOUT", "5", "qdb_options.timout; there are .*timeout"),
        ("STOREKIT_QDB_OPTIONS__TIMEOUT", "five", "number of seconds"),
        ("STOREKIT_QDB_OPTIONS__LIMITS__MAX_SIZE", "many", "whole number"),
        ("STOREKIT_QDB_OPTIONS__SESSION__USR", "me", "session.usr; there are .*user"),
        ("STOREKIT_QDB_OPTIONS__SESSION__TIMEOUT", "five", "number of seconds"),
        ("STOREKIT_QDB_OPTIONS__SESSION__COMPRESSION", "fast", "True or False"),
        ("STOREKIT_QCACHE_OPTIONS__READ_TIMOUT", "5", "read_timout; there are .*read_timeout"),
        ("STOREKIT_QCACHE_OPTIONS__READ_TIMEOUT", "five", "number of seconds"),
        ("STOREKIT_QDB", "redis://host", "qdb://host"),
    ],
)
def test_variable_that_is_wrong_is_named(name, text, said):
    with pytest.raises(ValueError, match=said) as caught:
        Settings.from_environment({name: text})
    assert name in str(caught.value)


def test_variable_of_somebody_else_is_warned_of():
    with pytest.warns(UserWarning, match="STOREKIT_COLOUR is not a setting"):
        assert Settings.from_environment({"STOREKIT_COLOUR": "red"}) == Settings()


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
        ("[storekit]\nqdb = 5", "a URL must be text"),
        ("[storekit]\nqdb = '\udcff'", "utf-8"),
        ("[storekit]\nqdb = " + "[" * 100_000, "recursion"),
    ],
)
def test_file_that_is_wrong_is_named_with_the_key(tmp_path, content, message):
    path = tmp_path / "kit.toml"
    path.write_text(content, "utf-8", "surrogateescape")
    with pytest.raises(ValueError, match=message) as caught:
        Settings.from_toml(path)
    assert "kit.toml" in str(caught.value)


def test_variable_below_one_that_has_a_value_is_refused():
    with pytest.raises((TypeError, ValueError)):
        Settings.from_environment({"STOREKIT_RETRY": "1", "STOREKIT_RETRY__ATTEMPTS": "2"})


def test_table_in_a_variable_is_added_to_in_any_order():
    table = ("STOREKIT_RETRY", "{attempts = 2}")
    below = ("STOREKIT_RETRY__INITIAL_BACKOFF", "0.5")
    for variables in ((table, below), (below, table)):
        settings = Settings.from_environment(dict(variables))
        assert settings.retry == RetryPolicy(attempts=2, initial_backoff=0.5)


def test_false_stands_for_none(tmp_path):
    names = ("qdb", "timeout", "connect_timeout")
    variables = {f"STOREKIT_{name.upper()}": "false" for name in names}
    settings = Settings.from_environment(variables)
    assert [getattr(settings, name) for name in names] == [None, None, None]
    (tmp_path / "kit.toml").write_text("[storekit]\nqcache = false")
    assert Settings.from_toml(tmp_path / "kit.toml").qcache is None


@pytest.mark.parametrize("text", ["1\nb = 2", "[" * 100_000, "x = 1"])
def test_text_that_only_begins_as_a_value_is_text(text):
    settings = Settings.from_environment({"STOREKIT_QCACHE_OPTIONS__VERIFY": text})
    assert settings.qcache_options == {"verify": text}


def test_codec_may_be_one_of_a_registry_of_ones_own():
    registry = CodecRegistry({"mine": Raw})
    assert Settings(codec="mine", qdb_options={"registry": registry}).codec == "mine"


def test_all_arguments_of_the_clients_are_settings():
    kept = {"limits": PoolLimits(max_size=3), "timeout": 1.0, "allow": ("a.B",), "library": "l"}
    assert Settings(qdb_options=kept).qdb_options == kept
    kept = {"cert": "file", "pool_timeout": None, "compression": "gzip", "codec": "polars"}
    assert Settings(qcache_options=kept).qcache_options == kept


def test_limits_may_be_a_mapping():
    settings = Settings(qdb_options={"limits": {"max_size": 3}})
    assert settings.qdb_options == {"limits": PoolLimits(max_size=3)}
    assert settings.with_changes(timeout=1.0).qdb_options == settings.qdb_options


@pytest.mark.parametrize("changes", [{"qdb": "qcache://a:1"}, {"qcache": "qdb://a:1"}])
def test_url_of_the_other_store_is_refused(changes):
    with pytest.raises(ValueError, match="must be a URL of"):
        Settings(**changes)


@pytest.mark.parametrize(
    "changes",
    [{"qdb": 7}, {"qcache": False}, {"qdb_options": None}, {"timeout": "5"}, {"retry": 3}],
)
def test_setting_of_another_type_is_refused(changes):
    with pytest.raises(TypeError):
        Settings(**changes)


def test_options_of_one_store_go_before_those_of_both():
    with storekit.StoreKit(qcache=None, timeout=5.0, qdb_options={"timeout": 7.0}) as kit:
        assert kit.qdb._calls.timeout == 7.0


def test_kit_takes_settings_only():
    with pytest.raises(TypeError, match="dict"):
        storekit.StoreKit({"qdb": "embedded:"})


def test_the_face_loads_on_first_use():
    assert storekit.connect is not storekit.connect_async
    with pytest.raises(AttributeError, match="nothing"):
        storekit.nothing  # noqa: B018 - it raises
