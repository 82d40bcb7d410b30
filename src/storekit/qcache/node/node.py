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
"""Bytes of a table up to which it is thought to be stored quickly."""

_SMALL_WORK = 2**24
"""Bytes of a table times those of a query up to which that is thought to be answered quickly."""

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
        """What `/health` says. Requests are served in any state."""
        return self._state

    def enter(self, state: State) -> bool:
        """Change the state; whether that was done: a node that drains does so to its end."""
        with self._state_lock:
            if self._state != "draining":
                self._state = state
            return self._state == state

    # Requests

    def handle(self, request: Request) -> Response:
        """Serve a request. Whatever comes in, an answer comes out.

        A query may take as long as its table is large: call this where that may be.

        Raises `NotQuick` if its budget is to be quick, and it is not.
        """
        path = route_of(request)
        return answered(request, partial(self._answer, request, path), completed)

    def budget_for(self, request: Request) -> Budget:
        """Return what a request may take, by its head; made once for each."""
        return self._budget(stores=is_upload(request, route_of(request)))

    def query_budget(self) -> Budget:
        """Return what a query may take; made once for each."""
        return self._budget(stores=False)

    def is_small(self, request: Request) -> bool:
        """Whether serving this should take some milliseconds: little is asked of a small table."""
        path = route_of(request)
        if path is None or path[2] is None:
            return True
        if is_upload(request, path):
            return request.size <= _SMALL_UPLOAD and "content-encoding" not in request.headers
        charge = self.tables.charge_of(path[2].decode())
        return charge * (len(request.query) + request.size) <= _SMALL_WORK

    def refuse_head(self, request: Request) -> Response | None:
        """Return the answer if there is one without the body: no access, or no such path."""
        response = self._refuse(request, route_of(request))
        return response and completed(request, response)

    def most_content(self, request: Request) -> int:
        """Return how many bytes the body of a request may have."""
        return self._most_content(route_of(request))

    def is_quick(self, request: Request) -> bool:
        """Whether serving this takes no more than microseconds: it asks for no table."""
        path = route_of(request)
        return path is None or path[2] is None or request.method == "DELETE"

    def kind_of(self, request: Request) -> str:
        """Return what a request is for, in a word: query, store, delete, status and the like."""
        path = route_of(request)
        if path is None:
            return "other"
        if path[2] is None:
            return (path[1] or path[4]).decode()
        if is_upload(request, path):
            return "store"
        return "delete" if request.method == "DELETE" else "query"

    def key_of(self, request: Request) -> str | None:
        """Return the key of the table that a request is for, if it is for one."""
        path = route_of(request)
        return path[2].decode() if path is not None and path[2] is not None else None

    def table_to_come(self, request: Request) -> CsvBlocks | None:
        """Return what reads the table of an upload while it comes; None if that can't be."""
        headers = request.headers
        stores = is_upload(request, route_of(request))
        if not stores or "content-encoding" in headers:
            return None
        try:
            if check_table_format(headers.get("content-type")) == JSON_TYPE:
                return None
            return CsvBlocks(types_of(headers), request.budget or self.budget_for(request))
        except Refusal:  # for which the answer waits until the content is there
            return None

    def _budget(self, *, stores: bool) -> Budget:
        return Budget(self._upload_limits if stores else self._query_limits, self._clock)

    def _most_content(self, path: Route | None) -> int:
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
            return run_query(self.tables.peek(key).frame, check_object(query), budget)
        started = self._clock()
        try:
            answer = run_query(self.tables.find(key), check_object(query), budget)
            self.tables.note_hit()
        finally:
            self.tables.note("query_request_durations", started)
        return answer

    def challenge(self, request: Request) -> Response | None:
        """Return the answer to a request without the password, None if it has it or needs none."""
        if self._credentials is None or self._may_enter(request):
            return None
        return Response(401, (("www-authenticate", "Basic realm=Restricted"),))

    # What needs no body

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
        assert self._credentials is not None  # noqa: S101 - else nobody asks
        shown = _credentials(request.headers.get("authorization", ""))
        return shown is not None and compare_digest(shown, self._credentials)

    # What does

    def _answer(self, request: Request, path: Route | None) -> Response:
        return self._refuse(request, path) or self._serve(request, path)

    def _serve(self, request: Request, path: Route | None) -> Response:
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

    def _tell_statistics(self) -> Response:
        taken = self.tables.take_statistics()
        kind = ("content-type", f"{JSON_TYPE}; charset=utf-8")
        return Response(200, (kind,), json.dumps(taken).encode())

    def _tell_health(self) -> Response:
        state = self.state
        kind = ("content-type", "text/plain; charset=utf-8")
        return Response(200 if state == "ready" else 503, (kind, _OF_THE_MOMENT), state.encode())

    def _tell_metrics(self) -> Response:
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
        # Of JSON, only half is taken to be needed: so much of it are names of columns.
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
        # Of this query alone: QCache writes them into the stored table, for all to see.
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
