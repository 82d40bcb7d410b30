"""A QCache node as a function from a request to a response. No I/O."""

import json
import re
import threading
import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha1
from hmac import compare_digest
from http import HTTPStatus
from typing import Literal

import polars as pl

from storekit.qcache.addresses import authorization
from storekit.qcache.compression import compress
from storekit.qcache.node.answer import Answer
from storekit.qcache.node.budget import Budget, Limits
from storekit.qcache.node.cache import Cache, Dataset, charge_for
from storekit.qcache.node.categories import compact
from storekit.qcache.node.errors import BadQuery, Refusal, TooLarge
from storekit.qcache.node.http.answering import answered
from storekit.qcache.node.http.negotiation import (
    accepted_format,
    check_table_format,
    decode_body,
    encoding_for,
    etag_matches,
)
from storekit.qcache.node.http.requests import (
    JSON_TYPE,
    Request,
    Response,
    query_argument,
    refused,
)
from storekit.qcache.node.query import check_object, parse_query, run_query
from storekit.qcache.node.reading import read_csv, read_json
from storekit.qcache.node.reading.csv_blocks import CsvBlocks
from storekit.qcache.node.reading.headers import add_stand_ins, parse_stand_ins, parse_types
from storekit.qcache.node.service.exposition import CONTENT_TYPE
from storekit.qcache.node.service.metrics import Metrics
from storekit.qcache.node.statistics import Statistics, Totals
from storekit.qcache.node.writing import to_csv, to_json

__all__ = ["Node", "State"]

MOST_QUERY_BYTES = 16 * 2**20
"""A query may be large, since `in` takes lists; parsed, it takes some ten times its size."""

_SMALL_UPLOAD = 2**16
"""Bytes of a table up to which it is thought to be stored quickly."""

_SMALL_WORK = 2**24
"""Bytes of a table times those of a query up to which that is thought to be answered quickly."""

_PATH = re.compile(
    rb"/(?:qcache/(?:(status|statistics)|dataset/([A-Za-z0-9_-]+)(?:(/q)|/?))|(health|metrics))"
)
_PLAIN = (("content-type", "text/html; charset=UTF-8"),)
_DATASET_METHODS = ("GET", "POST", "DELETE")
_READS = ("GET", "HEAD")
_OF_THE_MOMENT = ("cache-control", "no-store")

State = Literal["starting", "ready", "draining"]


class Node:
    """Tables in memory, and queries on them, with the limits and the answers of QCache.

    Safe for threads: tables are never changed, so a query goes on with the one that it
    found, and an upload that fails leaves the old one.
    """

    def __init__(
        self,
        *,
        size: int = 1_000_000_000,
        age: float = 0,
        statistics_buffer_size: int = 1000,
        auth: tuple[str, str] | None = None,
        query_timeout: float = 30,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a node that is empty.

        Args:
            size: Bytes that the tables may take, about; the least recently used go first.
                Also the most bytes of one upload.
            age: Seconds after which a table is gone, however much it is used; 0 for never.
            statistics_buffer_size: How many of the newest durations the statistics keep.
            auth: User name and password that every request must have.
            query_timeout: Seconds that a query may take; 0 for any time. It then ends with 400,
                at the next step of its work.
            clock: Seconds that only ever grow.

        Raises:
            TypeError, ValueError: An option is of the wrong type, or out of range.

        """
        _check_whole("size", size, 1)
        _check_whole("statistics_buffer_size", statistics_buffer_size, 0)
        _check_seconds("age", age)
        _check_seconds("query_timeout", query_timeout)
        self._clock = clock
        self._upload_limits = Limits.of_upload(size)
        self._query_limits = Limits.of_query(size, query_timeout or None)
        self._credentials = None if auth is None else _credentials(authorization(auth))
        self._lock = threading.Lock()
        self._cache = Cache(size, age, clock)
        self._statistics = Statistics(statistics_buffer_size, clock)
        self.metrics: Metrics = Metrics()
        self._state: State = "ready"
        self.on_change: Callable[[str], object] = _ignore
        """Called with the key of a table that is about to be replaced or removed, by a thread that
        has the lock of the node: it must be quick, and ask the node for nothing."""

    @property
    def size(self) -> int:
        """Bytes that the tables may take."""
        return self._cache.size

    @property
    def age(self) -> float:
        """Seconds after which a table is gone; 0 for never."""
        return self._cache.age

    def __repr__(self) -> str:
        with self._lock:
            return (
                f"<Node: {len(self._cache)} datasets, {self._cache.charged} of {self.size} bytes>"
            )

    def totals(self) -> Totals:
        """Return what the node did since it was made, and what it has; reading changes nothing."""
        with self._lock:
            return self._statistics.totals(datasets=len(self._cache), charged=self._cache.charged)

    def now(self) -> float:
        """Return the seconds of the clock that says when tables were stored."""
        return self._clock()

    def datasets(self) -> Iterator[tuple[str, Dataset]]:
        """Return the tables of this moment with their keys, in any order: no use of them."""
        with self._lock:
            keys, datasets = self._cache.datasets()
        return zip(keys, datasets, strict=True)

    @property
    def state(self) -> State:
        """What `/health` says. Requests are served in any state."""
        return self._state

    def enter(self, state: State) -> bool:
        """Change the state; whether that was done: a node that drains does so to its end."""
        with self._lock:
            if self._state != "draining":
                self._state = state
            return self._state == state

    # Tables that outlive a node

    @property
    def most_charge(self) -> int:
        """Bytes that one table may take."""
        return self._cache.most_charge

    def datasets_by_use(self) -> list[tuple[str, Dataset]]:
        """Return all tables with their keys, the least recently used first. That is no use."""
        with self._lock:
            return self._cache.by_use()

    def tally(self, event: str) -> None:
        """Count an event in the totals alone."""
        with self._lock:
            self._statistics.tally(event)

    def restore(
        self,
        key: str,
        load: Callable[[], pl.DataFrame],
        stored_at: float,
        is_wanted: Callable[[], bool],
    ) -> bool:
        """Put back a table that was used before all that are here; whether that was done.

        Args:
            key: The key of the table.
            load: Returns the table. Is called without the lock, if there is room.
            stored_at: The time of the clock at which it was uploaded.
            is_wanted: Whether it is still to be put back; is asked with the lock.

        """
        with self._lock:
            if self._cache.age and self._clock() - stored_at > self._cache.age:
                self._statistics.tally("snapshot_expired")
                return False
            has_room = self._cache.charged < self.size
        frame = load() if has_room else pl.DataFrame()
        charge = charge_for(frame)
        with self._lock:
            if not is_wanted():
                return False
            done = has_room and self._cache.restore(key, frame, charge, stored_at)
            self._statistics.tally("snapshot_restored" if done else "snapshot_no_room")
        return done

    # Requests

    def handle(self, request: Request) -> Response:
        """Serve a request. Whatever comes in, an answer comes out.

        A query may take as long as its table is large: call this where that may be.

        Raises `NotQuick` if its budget is to be quick, and it is not.
        """
        path = _PATH.fullmatch(request.path)
        return answered(request, partial(self._answer, request, path), _completed)

    def budget_for(self, request: Request) -> Budget:
        """Return what a request may take, by its head; made once for each."""
        return self._budget(stores=_stores(request, _PATH.fullmatch(request.path)))

    def query_budget(self) -> Budget:
        """Return what a query may take; made once for each."""
        return self._budget(stores=False)

    def is_small(self, request: Request) -> bool:
        """Whether serving this should take some milliseconds: little is asked of a small table."""
        path = _PATH.fullmatch(request.path)
        if path is None or path[2] is None:
            return True
        if _stores(request, path):
            return request.size <= _SMALL_UPLOAD and "content-encoding" not in request.headers
        with self._lock:
            charge = self._cache.charge_of(path[2].decode())
        return charge * (len(request.query) + request.size) <= _SMALL_WORK

    def refuse_head(self, request: Request) -> Response | None:
        """Return the answer if there is one without the body: no access, or no such path."""
        response = self._refuse(request, _PATH.fullmatch(request.path))
        return response and _completed(request, response)

    def most_content(self, request: Request) -> int:
        """Return how many bytes the body of a request may have."""
        return self._most_content(_PATH.fullmatch(request.path))

    def is_quick(self, request: Request) -> bool:
        """Whether serving this takes no more than microseconds: it asks for no table."""
        path = _PATH.fullmatch(request.path)
        return path is None or path[2] is None or request.method == "DELETE"

    def kind_of(self, request: Request) -> str:
        """Return what a request is for, in a word: query, store, delete, status and the like."""
        path = _PATH.fullmatch(request.path)
        if path is None:
            return "other"
        if path[2] is None:
            return (path[1] or path[4]).decode()
        if _stores(request, path):
            return "store"
        return "delete" if request.method == "DELETE" else "query"

    def key_of(self, request: Request) -> str | None:
        """Return the key of the table that a request is for, if it is for one."""
        path = _PATH.fullmatch(request.path)
        return path[2].decode() if path is not None and path[2] is not None else None

    def table_to_come(self, request: Request) -> CsvBlocks | None:
        """Return what reads the table of an upload while it comes; None if that can't be."""
        headers = request.headers
        stores = _stores(request, _PATH.fullmatch(request.path))
        if not stores or "content-encoding" in headers:
            return None
        try:
            if check_table_format(headers.get("content-type")) == JSON_TYPE:
                return None
            return CsvBlocks(_types(headers), request.budget or self.budget_for(request))
        except Refusal:  # for which the answer waits until the content is there
            return None

    def _budget(self, *, stores: bool) -> Budget:
        return Budget(self._upload_limits if stores else self._query_limits, self._clock)

    def _most_content(self, path: re.Match[bytes] | None) -> int:
        if path is not None and path[2] and not path[3]:
            return self.size
        return min(self.size, MOST_QUERY_BYTES)

    def run(self, key: str, query: object, budget: Budget, *, peek: bool = False) -> Answer:
        """Return the answer to a query about a table, without writing it as JSON or CSV.

        Unless it is to `peek`, that is a use of the table, which is counted.

        Raises `Refusal` if there can be no answer, and what `Budget.check` raises.
        """
        budget.start()
        if peek:
            return run_query(self.peek(key).frame, check_object(query), budget)
        started = self._clock()
        try:
            answer = run_query(self._find(key), check_object(query), budget)
            with self._lock:
                self._statistics.count("hit_count")
        finally:
            self._note("query_request_durations", started)
        return answer

    def peek(self, key: str) -> Dataset:
        """Return a table and what is known of it, which is no use of it. Raises `Refusal`."""
        with self._lock:
            dataset = self._cache.peek(key)
        if dataset is None or self._cache.is_expired(dataset):
            raise _Missing(f"There is no dataset {key}")
        return dataset

    def challenge(self, request: Request) -> Response | None:
        """Return the answer to a request without the password, None if it has it or needs none."""
        if self._credentials is None or self._may_enter(request):
            return None
        return Response(401, (("www-authenticate", "Basic realm=Restricted"),))

    # What needs no body

    def _refuse(self, request: Request, path: re.Match[bytes] | None) -> Response | None:
        if path is None:
            return refused(404, "There is no such path")
        if path[4] == b"health":  # probes have no password
            return None if request.method in _READS else _not_allowed(request, _READS)
        if (challenge := self.challenge(request)) is not None:
            return challenge
        methods = _READS if path[4] else ("GET",) if path[1] else _DATASET_METHODS
        if request.method not in methods:
            return _not_allowed(request, ("POST",) if path[3] else methods)
        if path[3] and request.method != "POST":
            return refused(404, "Queries to this path are posted")
        return None

    def _may_enter(self, request: Request) -> bool:
        assert self._credentials is not None  # noqa: S101 - else nobody asks
        shown = _credentials(request.headers.get("authorization", ""))
        return shown is not None and compare_digest(shown, self._credentials)

    # What does

    def _answer(self, request: Request, path: re.Match[bytes] | None) -> Response:
        return self._refuse(request, path) or self._serve(request, path)

    def _serve(self, request: Request, path: re.Match[bytes] | None) -> Response:
        assert path is not None  # noqa: S101 - it was looked at
        if request.size > (most := self._most_content(path)):
            raise TooLarge(f"The content has {request.size} bytes; the limit is {most}")
        if path[1] == b"status":
            return Response(200, _PLAIN, b"OK")
        if path[1] == b"statistics":
            return self._tell_statistics()
        if path[4]:
            return self._tell_health() if path[4] == b"health" else self._tell_metrics()
        key = path[2].decode()
        if request.method == "DELETE":
            with self._lock:
                self.on_change(key)
                self._cache.remove(key)
                self._statistics.tally("delete_count")
            return Response(200, _PLAIN)
        started = self._clock()
        stores = _stores(request, path)
        budget = request.budget or self._budget(stores=stores)
        budget.start()
        serve = self._store if stores else self._query
        try:
            return serve(key, request, budget)
        finally:
            self._note("store_request_durations" if stores else "query_request_durations", started)

    def _note(self, figure: str, started: float) -> None:
        duration = self._clock() - started
        with self._lock:
            self._statistics.note(figure, duration)

    def _tell_statistics(self) -> Response:
        with self._lock:
            taken = self._statistics.take(datasets=len(self._cache), charged=self._cache.charged)
        kind = ("content-type", f"{JSON_TYPE}; charset=utf-8")
        return Response(200, (kind,), json.dumps(taken).encode())

    def _tell_health(self) -> Response:
        state = self.state
        kind = ("content-type", "text/plain; charset=utf-8")
        return Response(200 if state == "ready" else 503, (kind, _OF_THE_MOMENT), state.encode())

    def _tell_metrics(self) -> Response:
        totals = self.totals()
        gauges: dict[str, float] = {
            "qcache_ready": int(self.state == "ready"),
            "qcache_tables": totals.datasets,
            "qcache_tables_bytes": totals.charged,
            "qcache_size_bytes": self.size,
        }
        text = self.metrics.text(totals.counts, gauges)
        return Response(200, (("content-type", CONTENT_TYPE), _OF_THE_MOMENT), text.encode())

    def _store(self, key: str, request: Request, budget: Budget) -> Response:
        started = self._clock()
        headers = request.headers
        is_json = check_table_format(headers.get("content-type")) == JSON_TYPE
        types = {} if is_json else _types(headers)
        # Of JSON, only half is taken to be needed: so much of it are names of columns.
        limit = 2 * self.size if is_json else self.size
        if request.table is not None:
            frame, size = request.table.table(), request.size
        else:
            content = decode_body(request.body, headers.get("content-encoding"), limit, budget)
            frame = read_json(content, budget) if is_json else read_csv(content, types, budget)
            size = len(content)
        frame = compact(_with_stand_ins(frame, request, budget))
        budget.check()
        need = size // 2 if is_json else size
        charge = charge_for(frame)
        with self._lock:
            self.on_change(key)
            stored = self._cache.store(key, frame, need, charge)
            statistics = self._statistics
            statistics.count("store_count")
            if stored.replaced:
                statistics.count("replace_count")
            statistics.count("size_evict_count", len(stored.evicted_after))
            statistics.note("durations_until_eviction", *stored.evicted_after)
            statistics.note("store_row_counts", frame.height)
            statistics.tally("stored_rows", frame.height)
            statistics.note("store_durations", self._clock() - started)
        return Response(201, _PLAIN)

    def _query(self, key: str, request: Request, budget: Budget) -> Response:
        started = self._clock()
        headers = request.headers
        query = parse_query(_query_text(request, budget), budget)
        kind = accepted_format(headers.get("accept"))
        frame = self._find(key)
        # Of this query alone: QCache writes them into the stored table, for all to see.
        frame = _with_stand_ins(frame, request, budget)
        answer = run_query(frame, check_object(query), budget)
        body = to_json(answer, budget) if kind == JSON_TYPE else to_csv(answer, budget)
        with self._lock:
            self._statistics.count("hit_count")
            self._statistics.note("query_durations", self._clock() - started)
        length = ("x-qcache-unsliced-length", str(answer.unsliced_length))
        return Response(200, (("content-type", f"{kind}; charset=utf-8"), length), body)

    def _find(self, key: str) -> pl.DataFrame:
        with self._lock:
            if self._cache.remove_expired(key):
                self._statistics.count("age_evict_count")
            frame = self._cache.get(key)
            if frame is None:
                self._statistics.count("miss_count")
                raise _Missing(f"There is no dataset {key}")
        return frame


class _Missing(Refusal):
    status = 404


def _ignore(_: str) -> None:
    """Take no note of a change."""


def _not_allowed(request: Request, methods: tuple[str, ...]) -> Response:
    allowed = ("allow", ", ".join(methods))
    return refused(405, f"{request.method} has no meaning here", allowed)


def _types(headers: Mapping[str, str]) -> dict[str, str]:
    types = headers.get("x-qcache-types")
    return {} if types is None else parse_types(types)


def _stores(request: Request, path: re.Match[bytes] | None) -> bool:
    """Whether a request brings a table."""
    return request.method == "POST" and path is not None and bool(path[2]) and not path[3]


def _query_text(request: Request, budget: Budget) -> str:
    if request.method == "GET":
        return query_argument(request.query)
    encoding = request.headers.get("content-encoding")
    content = decode_body(request.body, encoding, MOST_QUERY_BYTES, budget)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise BadQuery(f"Could not load JSON: it is not UTF-8: {error}") from error


def _with_stand_ins(frame: pl.DataFrame, request: Request, budget: Budget) -> pl.DataFrame:
    header = request.headers.get("x-qcache-stand-in-columns")
    return frame if header is None else add_stand_ins(frame, parse_stand_ins(header), budget)


def _credentials(header: str) -> bytes | None:
    """Return user name and password of an `Authorization` header, None if it has none."""
    scheme, _, encoded = header.strip().partition(" ")
    try:
        return b64decode(encoded.strip(), validate=True) if scheme.lower() == "basic" else None
    except (Base64Error, ValueError):
        return None


def _completed(request: Request, response: Response) -> Response:
    """Add what depends on the answer as a whole: tag, encoding, length."""
    headers, body = [*response.headers], response.body
    if response.status == 200:
        if request.method == "GET":
            etag = f'"{sha1(body, usedforsecurity=False).hexdigest()}"'
            headers.append(("etag", etag))
            if etag_matches(request.headers.get("if-none-match", ""), etag):
                kept = [header for header in headers if header[0] != "content-type"]
                return Response(HTTPStatus.NOT_MODIFIED, tuple(kept))
        encoding = encoding_for(request.headers.get("accept-encoding"))
        if encoding is not None:
            body = compress(body, encoding)
            headers.append(("content-encoding", encoding))
    headers.append(("content-length", str(len(body))))
    return Response(response.status, tuple(headers), b"" if request.method == "HEAD" else body)


def _check_seconds(option: str, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{option} must be a number of seconds, not {value!r}")
    if not value >= 0:
        raise ValueError(f"{option} must be 0 or more seconds, not {value!r}")


def _check_whole(option: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{option} must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{option} must be {least} or more, not {value}")
