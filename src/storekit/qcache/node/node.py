"""A QCache node as a function from a request to a response. No I/O."""

import json
import threading
import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from functools import partial
from hmac import compare_digest
from typing import Literal

from storekit.qcache.addresses import authorization
from storekit.qcache.node.answer import Answer
from storekit.qcache.node.budget import Budget, Limits
from storekit.qcache.node.categories import compact
from storekit.qcache.node.errors import Refusal, TooLarge
from storekit.qcache.node.http.answering import answered, completed, not_allowed
from storekit.qcache.node.http.contents import (
    MOST_QUERY_BYTES,
    query_text,
    types_of,
    with_stand_ins,
)
from storekit.qcache.node.http.negotiation import accepted_format, check_table_format, decode_body
from storekit.qcache.node.http.requests import JSON_TYPE, Request, Response, refused
from storekit.qcache.node.http.routes import Route, is_upload, route_of
from storekit.qcache.node.query import check_object, parse_query, run_query
from storekit.qcache.node.reading import read_csv, read_json
from storekit.qcache.node.reading.csv_blocks import CsvBlocks
from storekit.qcache.node.service.exposition import CONTENT_TYPE
from storekit.qcache.node.service.metrics import Metrics
from storekit.qcache.node.store import TableStore
from storekit.qcache.node.writing import to_csv, to_json

__all__ = ["Node", "State"]

_SMALL_UPLOAD = 2**16
"""Bytes: smaller tables are expected to be stored quickly."""

_SMALL_WORK = 2**24
"""Bytes of table times bytes of query: up to this, a query is expected to be quick."""

_PLAIN = (("content-type", "text/html; charset=UTF-8"),)
_DATASET_METHODS = ("GET", "POST", "DELETE")
_READS = ("GET", "HEAD")
_OF_THE_MOMENT = ("cache-control", "no-store")

State = Literal["starting", "ready", "draining"]


class Node:
    """Tables in memory, and queries on them, with the limits and the answers of QCache.

    Thread-safe: tables are never modified, so a query uses the one that it found to its end, and
    an upload that fails leaves the old one.
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
        """Make an empty node.

        Args:
            size: Approximate limit of the tables in bytes; the least recently used are evicted
                first. Also the limit of one upload.
            age: Seconds after which a table is removed, even if it is used; 0 for no limit.
            statistics_buffer_size: Number of the newest durations that the statistics keep.
            auth: User name and password that every request must have.
            query_timeout: Seconds that a query may take; 0 for no limit. It then ends with 400,
                at its next step.
            clock: A monotonic clock, in seconds.

        Raises:
            TypeError, ValueError: An option has the wrong type, or is out of range.

        """
        _check_whole("size", size, 1)
        _check_whole("statistics_buffer_size", statistics_buffer_size, 0)
        _check_seconds("age", age)
        _check_seconds("query_timeout", query_timeout)
        self._clock = clock
        self._upload_limits = Limits.of_upload(size)
        self._query_limits = Limits.of_query(size, query_timeout or None)
        self._credentials = None if auth is None else _credentials(authorization(auth))
        self.tables: TableStore = TableStore(size, age, statistics_buffer_size, clock)
        self.metrics: Metrics = Metrics()
        self._state: State = "ready"
        self._state_lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes that the tables may take."""
        return self.tables.size

    def __repr__(self) -> str:
        return f"<Node: {self.tables!r}>"

    @property
    def state(self) -> State:
        """The state that `/health` reports. Requests are served in any state."""
        return self._state

    def enter(self, state: State) -> bool:
        """Change the state; return whether that was done: a node that is draining remains so."""
        with self._state_lock:
            if self._state != "draining":
                self._state = state
            return self._state == state

    # Requests

    def handle(self, request: Request) -> Response:
        """Serve a request. Every error becomes a response.

        A query takes time in proportion to its table: do not call this in an event loop.

        Raises `NotQuick` if the budget of the request says so.
        """
        path = route_of(request)
        return answered(request, partial(self._answer, request, path), completed)

    def budget_for(self, request: Request) -> Budget:
        """Return a new budget for a request, by its head."""
        return self._budget(stores=is_upload(request, route_of(request)))

    def query_budget(self) -> Budget:
        """Return a new budget for a query."""
        return self._budget(stores=False)

    def is_small(self, request: Request) -> bool:
        """Whether serving this is expected to take some milliseconds: a small query or upload."""
        path = route_of(request)
        if path is None or path[2] is None:
            return True
        if is_upload(request, path):
            return request.size <= _SMALL_UPLOAD and "content-encoding" not in request.headers
        charge = self.tables.charge_of(path[2].decode())
        return charge * (len(request.query) + request.size) <= _SMALL_WORK

    def refuse_head(self, request: Request) -> Response | None:
        """Return the response if it does not depend on the body: no access, or no such path."""
        response = self._refuse(request, route_of(request))
        return response and completed(request, response)

    def most_content(self, request: Request) -> int:
        """Return how many bytes the body of a request may have."""
        return self._most_content(route_of(request))

    def is_quick(self, request: Request) -> bool:
        """Whether serving this takes no more than microseconds: it reads and stores no table."""
        path = route_of(request)
        return path is None or path[2] is None or request.method == "DELETE"

    def kind_of(self, request: Request) -> str:
        """Return the kind of a request for metrics: query, store, delete, status and so on."""
        path = route_of(request)
        if path is None:
            return "other"
        if path[2] is None:
            return (path[1] or path[4]).decode()
        if is_upload(request, path):
            return "store"
        return "delete" if request.method == "DELETE" else "query"

    def key_of(self, request: Request) -> str | None:
        """Return the key of the table in the path of a request, None if there is none."""
        path = route_of(request)
        return path[2].decode() if path is not None and path[2] is not None else None

    def table_to_come(self, request: Request) -> CsvBlocks | None:
        """Return a parser for an upload while it arrives, None if that is not possible."""
        headers = request.headers
        stores = is_upload(request, route_of(request))
        if not stores or "content-encoding" in headers:
            return None
        try:
            if check_table_format(headers.get("content-type")) == JSON_TYPE:
                return None
            return CsvBlocks(types_of(headers), request.budget or self.budget_for(request))
        except Refusal:  # it is raised again once the content is complete
            return None

    def _budget(self, *, stores: bool) -> Budget:
        return Budget(self._upload_limits if stores else self._query_limits, self._clock)

    def _most_content(self, path: Route | None) -> int:
        if path is not None and path[2] and not path[3]:
            return self.size
        return min(self.size, MOST_QUERY_BYTES)

    def run(self, key: str, query: object, budget: Budget, *, peek: bool = False) -> Answer:
        """Return the answer to a query about a table, without writing it as JSON or CSV.

        Unless `peek`, the table is marked as used, and the query is counted.

        Raises `Refusal`, and what `Budget.check` raises.
        """
        budget.start()
        if peek:
            return run_query(self.tables.peek(key).frame, check_object(query), budget)
        started = self._clock()
        try:
            answer = run_query(self.tables.find(key), check_object(query), budget)
            self.tables.note_hit()
        finally:
            self.tables.note("query_request_durations", started)
        return answer

    def challenge(self, request: Request) -> Response | None:
        """Return the response to a request that lacks a required password, else None."""
        if self._credentials is None or self._may_enter(request):
            return None
        return Response(401, (("www-authenticate", "Basic realm=Restricted"),))

    # Without the body

    def _refuse(self, request: Request, path: Route | None) -> Response | None:
        if path is None:
            return refused(404, "There is no such path")
        if path[4] == b"health":  # probes have no password
            return None if request.method in _READS else not_allowed(request, _READS)
        if (challenge := self.challenge(request)) is not None:
            return challenge
        methods = _READS if path[4] else ("GET",) if path[1] else _DATASET_METHODS
        if request.method not in methods:
            return not_allowed(request, ("POST",) if path[3] else methods)
        if path[3] and request.method != "POST":
            return refused(404, "Queries to this path are posted")
        return None

    def _may_enter(self, request: Request) -> bool:
        assert self._credentials is not None  # noqa: S101 - `challenge` has checked it
        shown = _credentials(request.headers.get("authorization", ""))
        return shown is not None and compare_digest(shown, self._credentials)

    # With the body

    def _answer(self, request: Request, path: Route | None) -> Response:
        return self._refuse(request, path) or self._serve(request, path)

    def _serve(self, request: Request, path: Route | None) -> Response:
        assert path is not None  # noqa: S101 - `_refuse` has checked it
        if request.size > (most := self._most_content(path)):
            raise TooLarge(f"The content has {request.size} bytes; the limit is {most}")
        if path[1] == b"status":
            return Response(200, _PLAIN, b"OK")
        if path[1] == b"statistics":
            return self._statistics()
        if path[4]:
            return self._health() if path[4] == b"health" else self._metrics()
        key = path[2].decode()
        if request.method == "DELETE":
            self.tables.remove(key)
            return Response(200, _PLAIN)
        started = self._clock()
        stores = is_upload(request, path)
        budget = request.budget or self._budget(stores=stores)
        budget.start()
        serve = self._store if stores else self._query
        try:
            return serve(key, request, budget)
        finally:
            figure = "store_request_durations" if stores else "query_request_durations"
            self.tables.note(figure, started)

    def _statistics(self) -> Response:
        taken = self.tables.take_statistics()
        kind = ("content-type", f"{JSON_TYPE}; charset=utf-8")
        return Response(200, (kind,), json.dumps(taken).encode())

    def _health(self) -> Response:
        state = self.state
        kind = ("content-type", "text/plain; charset=utf-8")
        return Response(200 if state == "ready" else 503, (kind, _OF_THE_MOMENT), state.encode())

    def _metrics(self) -> Response:
        totals = self.tables.totals()
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
        types = {} if is_json else types_of(headers)
        # JSON is charged half of its size: about so much of it are names of columns.
        limit = 2 * self.size if is_json else self.size
        if request.table is not None:
            frame, size = request.table.table(), request.size
        else:
            content = decode_body(request.body, headers.get("content-encoding"), limit, budget)
            frame = read_json(content, budget) if is_json else read_csv(content, types, budget)
            size = len(content)
        frame = compact(with_stand_ins(frame, request, budget))
        budget.check()
        self.tables.put(key, frame, size // 2 if is_json else size, started)
        return Response(201, _PLAIN)

    def _query(self, key: str, request: Request, budget: Budget) -> Response:
        started = self._clock()
        headers = request.headers
        query = parse_query(query_text(request, budget), budget)
        kind = accepted_format(headers.get("accept"))
        frame = self.tables.find(key)
        # For this query only, whereas QCache adds them to the stored table.
        frame = with_stand_ins(frame, request, budget)
        answer = run_query(frame, check_object(query), budget)
        body = to_json(answer, budget) if kind == JSON_TYPE else to_csv(answer, budget)
        self.tables.note_hit(started)
        length = ("x-qcache-unsliced-length", str(answer.unsliced_length))
        return Response(200, (("content-type", f"{kind}; charset=utf-8"), length), body)


def _credentials(header: str) -> bytes | None:
    """Return user name and password of an `Authorization` header, None if it has none."""
    scheme, _, encoded = header.strip().partition(" ")
    try:
        return b64decode(encoded.strip(), validate=True) if scheme.lower() == "basic" else None
    except (Base64Error, ValueError):
        return None


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
