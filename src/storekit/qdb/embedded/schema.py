"""Opening the file of a store: its tables, and checks of the file."""

# ruff: noqa: S608 - statements are put together from constants

import functools
import os
import re
import sqlite3
import stat
import time
from contextlib import closing

from storekit.qdb.embedded.connection import WAIT_IN_SQLITE
from storekit.qdb.embedded.failures import FAILURES, translate
from storekit.qdb.errors import ErrorCode, QuasardbException, error_for

__all__ = ["SCHEMA_VERSION", "open_file", "open_memory"]

SCHEMA_VERSION = 2
_APPLICATION = 0x73746B71  # "stkq"

# Contents in separate files; see `large_contents.py`. The triggers keep `large` consistent with
# every change of an entry; new large content is recorded after the change.
_LARGE = """
CREATE TABLE store (
    mark BLOB NOT NULL,          -- part of the name of the directory of the files
    last_file INTEGER NOT NULL   -- the highest number that was ever used
);
CREATE TABLE large (
    entry INTEGER PRIMARY KEY,
    file INTEGER NOT NULL,
    size INTEGER NOT NULL        -- bytes
);
CREATE TABLE dropped (file INTEGER PRIMARY KEY);
CREATE TRIGGER large_changed AFTER UPDATE OF content ON entry BEGIN
    DELETE FROM large WHERE entry = old.id;
END;
CREATE TRIGGER large_gone AFTER DELETE ON entry BEGIN
    DELETE FROM large WHERE entry = old.id;
END;
CREATE TRIGGER large_dropped AFTER DELETE ON large BEGIN
    INSERT INTO dropped VALUES (old.file);
END;
INSERT INTO store VALUES (randomblob(8), 0);
"""

# An ordinary table with an index on the alias, so that searches do not read contents: for contents
# from 10 kB up it is twice as fast as a table keyed by alias, and for prefixes five times.
#
# Ids are never used again: iteration goes by id up to the highest one at its start, and an entry
# that was removed and put again must not come twice. AUTOINCREMENT would ensure that, but would add
# a third to the time of a put. Instead, one row with an empty alias, which no entry can have, takes
# the id of the highest entry when that one is deleted.
_SCHEMA = f"""
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    alias TEXT NOT NULL,
    type INTEGER NOT NULL,
    expiry INTEGER NOT NULL,    -- ms since the epoch, 0 for never
    modified INTEGER NOT NULL,  -- ns since the epoch
    content                     -- last, to read the others without it; NULL if large
);
CREATE UNIQUE INDEX entry_alias ON entry (alias);
CREATE INDEX entry_expiry ON entry (expiry) WHERE expiry > 0;
CREATE TABLE tagging (
    tag INTEGER NOT NULL,    -- id of an entry of type tag
    entry INTEGER NOT NULL,
    PRIMARY KEY (tag, entry)
) WITHOUT ROWID;
CREATE INDEX tagging_entry ON tagging (entry);
CREATE TRIGGER entry_gone AFTER DELETE ON entry BEGIN
    DELETE FROM tagging WHERE entry = old.id;
    DELETE FROM tagging WHERE tag = old.id;
    UPDATE entry SET id = old.id
    WHERE alias = '' AND old.id > (SELECT max(id) FROM entry);
END;
INSERT INTO entry (id, alias, type, expiry, modified) VALUES (0, '', -1, 0, 0);
{_LARGE}PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {SCHEMA_VERSION};
"""

_STATEMENTS = 256  # prepared statements that a connection caches
_LOG_KEPT = 64 << 20  # bytes that the log may keep after a large write
_CACHE = 8000  # kB of pages for each session; with SQLite's 2000, gets take a tenth longer
_PAUSE = 0.005  # s
_COMMENTS = re.compile(r"(\s|--[^\n]*)+")  # SQLite keeps comments in the text of a schema
_OF_SQLITE = ("sqlite_stat", "sqlite_autoindex_")


def open_memory() -> sqlite3.Connection:
    """Open a new store in memory."""
    db = _connect(":memory:", 0)
    db.executescript(_SCHEMA)
    return db


def open_file(path: str, *, durable: bool, timeout: float) -> sqlite3.Connection:
    """Open the store in a file; create it if there is none.

    `timeout` is how many seconds to wait if another process has locked the store. Nothing is
    written to a file that is not a store.
    """
    _refuse_special(path)
    give_up_at = time.monotonic() + timeout
    while True:
        try:
            return _open(path, durable, min(timeout, WAIT_IN_SQLITE))
        except QuasardbException as error:
            # SQLite does not wait while others create or recover the store.
            if error.error_code != ErrorCode.RESOURCE_LOCKED or time.monotonic() > give_up_at:
                raise
        time.sleep(_PAUSE)


def _open(path: str, durable: bool, timeout: float) -> sqlite3.Connection:
    try:
        db = _connect(path, timeout)
    except FAILURES as error:
        raise translate(error) from error
    try:
        if _is_new(db):
            _create(db)
        elif _figure(db, "PRAGMA user_version") < SCHEMA_VERSION:
            _upgrade(db)
        _check_schema(db)
        db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        db.execute(f"PRAGMA journal_size_limit = {_LOG_KEPT}")
        db.execute(f"PRAGMA cache_size = -{_CACHE}")
        db.execute("PRAGMA trusted_schema = OFF")
    except FAILURES as error:
        failure = translate(error)  # before closing, since it checks for too many open files
        db.close()
        raise failure from error
    except BaseException:
        db.close()
        raise
    return db


def _refuse_special(path: str) -> None:
    """Refuse anything but a regular file, and links that SQLite would follow to write."""
    kind = _kind_of(path, follow=True)
    if stat.S_ISDIR(kind):
        raise error_for(ErrorCode.OPERATION_NOT_PERMITTED, f"{path!r} is a directory.")
    if kind and not stat.S_ISREG(kind):
        raise error_for(ErrorCode.OPERATION_NOT_PERMITTED, f"{path!r} is not a regular file.")
    place = os.path.realpath(path)
    for end in ("-wal", "-shm", "-journal"):
        beside = place + end
        kind = _kind_of(beside, follow=False)
        if kind and not stat.S_ISREG(kind):
            raise error_for(
                ErrorCode.OPERATION_NOT_PERMITTED,
                f"{beside!r}, which belongs to the store, is a link or not a regular file: find "
                "out who created it, and remove it.",
            )


def _kind_of(path: str, *, follow: bool) -> int:
    """Return the mode of a file, 0 if there is none.

    By a single call: between two, another session may remove its journal.
    """
    try:
        return os.stat(path, follow_symlinks=follow).st_mode
    except OSError:  # SQLite will report errors other than a missing file
        return 0


@functools.cache
def _expected() -> frozenset[tuple[str, str, str]]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(_SCHEMA)
        return _schema_of(db)


def _schema_of(db: sqlite3.Connection) -> frozenset[tuple[str, str, str]]:
    """Return the tables, indexes and triggers of a database, without those of SQLite itself."""
    rows = db.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()
    return frozenset(
        (str(kind), str(name), _COMMENTS.sub(" ", str(sql)).strip())
        for kind, name, sql in rows
        if not (kind in ("table", "index") and str(name).startswith(_OF_SQLITE))
    )


def _check_schema(db: sqlite3.Connection) -> None:
    """Refuse tables and triggers that storekit did not create: triggers could do anything."""
    schema = _schema_of(db)
    if schema != _expected():
        names = sorted({name for _, name, _ in schema ^ _expected()})
        raise error_for(
            ErrorCode.DATA_CORRUPTION,
            "The file has tables or triggers that storekit does not create, or lacks some: "
            + ", ".join(repr(name) for name in names[:5]),
        )


def _connect(path: str, timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(
        path,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
    )


def _is_new(db: sqlite3.Connection) -> bool:
    """Return whether the file is empty. Raises if it is not a store of this version or older."""
    application, version, tables = _marks(db)
    if application == 0 and version == 0 and tables == 0:
        return True
    if application != _APPLICATION:
        raise error_for(
            ErrorCode.OPERATION_NOT_PERMITTED, "The file is a database of another application."
        )
    if version > SCHEMA_VERSION:
        raise error_for(
            ErrorCode.OPERATION_NOT_PERMITTED,
            f"The store was made by a newer storekit: it has version {version} of the schema, "
            f"and this storekit supports {SCHEMA_VERSION}. Upgrade storekit.",
        )
    return False


def _marks(db: sqlite3.Connection) -> tuple[int, int, int]:
    # In one transaction: another process may be creating the store.
    alone = not db.in_transaction
    if alone:
        db.execute("BEGIN")
    marks = (
        _figure(db, "PRAGMA application_id"),
        _figure(db, "PRAGMA user_version"),
        _figure(db, "SELECT count(*) FROM sqlite_schema"),
    )
    if alone:
        db.execute("COMMIT")
    return marks


def _figure(db: sqlite3.Connection, sql: str) -> int:
    return int(db.execute(sql).fetchone()[0])


def _create(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL").fetchone()
    db.execute("BEGIN IMMEDIATE")
    try:
        if _is_new(db):
            for statement in _statements(_SCHEMA):
                db.execute(statement)
        db.execute("COMMIT")
    except (*FAILURES, QuasardbException):
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _upgrade(db: sqlite3.Connection) -> None:
    """Upgrade a store of version 1, which had no large contents in separate files."""
    db.execute("BEGIN IMMEDIATE")
    try:
        if _figure(db, "PRAGMA user_version") < SCHEMA_VERSION:  # not yet done by another process
            for statement in _statements(_LARGE):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")
    except FAILURES:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _statements(script: str) -> list[str]:
    """Split a script into statements; `executescript` would commit the transaction first."""
    found, begun = [], ""
    for line in script.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            found.append(begun)
            begun = ""
    return found
