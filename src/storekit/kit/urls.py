"""Parses the URLs of stores."""

from dataclasses import dataclass

__all__ = ["FORMS", "QDB", "QCache", "parse_qcache", "parse_qdb", "parse_url"]

FORMS = (
    "qdb://host:port[,host:port...], embedded:, embedded:PATH, embedded:NAME?mode=memory, "
    "qcache://host:port[,host:port...], qcaches://... for TLS, qcache+embedded:[NAME]"
)

_SCHEMES = {"qcache://": "http://", "qcaches://": "https://"}
_EMBEDDED = "embedded:"


@dataclass(frozen=True, slots=True)
class QDB:
    """A cluster of QuasarDB, or an embedded store, in the form that its clients take."""

    place: str


@dataclass(frozen=True, slots=True)
class QCache:
    """Nodes of QCache, in the form that its clients take."""

    nodes: tuple[str, ...]


def parse_url(url: str) -> QDB | QCache:
    """Return the store with a URL.

    `embedded:`, or `qdb+embedded:`, is an embedded store of QuasarDB; `qcache+embedded:` is a
    QCache node in this process. Raises `TypeError`, and `ValueError` that lists all forms.
    """
    if not isinstance(url, str):
        raise TypeError(f"a URL must be text, not {type(url).__name__}")
    if url.startswith(_EMBEDDED):
        return QDB(url)
    store, plus, rest = url.partition("+")
    if plus and rest.startswith(_EMBEDDED) and store == "qdb":
        return QDB(rest)
    if plus and rest.startswith(_EMBEDDED) and store == "qcache":
        return QCache((rest,))
    if "@" in url:  # not shown, since it may have a password
        raise ValueError(
            "a URL must not have a user name or password: QCache's clients take auth=(..., ...), "
            f"QuasarDB's take them in the options of their session; the forms are {FORMS}"
        )
    if url.startswith("qdb://"):
        return QDB(url)
    for scheme, http in _SCHEMES.items():
        if url.startswith(scheme):
            hosts = url.removeprefix(scheme).split(",")
            if not all(hosts):
                raise ValueError(f"{url!r} names no host; the forms are {FORMS}")
            if "://" in url.removeprefix(scheme) or " " in url:
                raise ValueError(f"{url!r} must have only hosts and commas; the forms are {FORMS}")
            return QCache(tuple(http + host for host in hosts))
    shown = url.partition(":")[0][:50]  # the rest may have a password
    raise ValueError(f"no store has URLs that begin with {shown!r}; the forms are {FORMS}")


def parse_qdb(url: str) -> QDB:
    """Return the store with a URL. Raises as `parse_url`, and `ValueError` for one of QCache."""
    store = parse_url(url)
    if not isinstance(store, QDB):
        raise ValueError(f"the setting qdb must be a URL of QuasarDB, not {url!r}")  # noqa: TRY004 - the type is right
    return store


def parse_qcache(url: str) -> QCache:
    """Return the nodes with a URL. Raises as `parse_url`, and `ValueError` for one of QuasarDB."""
    store = parse_url(url)
    if not isinstance(store, QCache):
        raise ValueError(f"the setting qcache must be a URL of QCache, not {url!r}")  # noqa: TRY004 - as above
    return store
