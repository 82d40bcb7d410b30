"""The paths of the page, access to them, and headers of responses.

| path | answer |
|---|---|
| `/`, to clients that accept `text/html` | the page |
| `/console/NAME` | its other files |
| `/console/data/life` | counters and state of the node |
| `/console/data/tables` | its tables, a page at a time |
| `/console/data/table?key=KEY` | one of them, with its columns |
| `/console/data/rows`, posted | rows or a cell of a table, which is not marked as used |
| `/console/data/query`, posted | rows or a cell of the result of a query, in SQL or JSON |
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import parse_qsl

from storekit.qcache.node.budget import Budget
from storekit.qcache.node.console.asking import Question, rows_of
from storekit.qcache.node.console.assets import PAGE, Asset, assets
from storekit.qcache.node.console.life import Queue, life_of
from storekit.qcache.node.console.listing import Order, described_table, table_page
from storekit.qcache.node.errors import BadQuery
from storekit.qcache.node.http.answering import answered
from storekit.qcache.node.http.negotiation import accepts, etag_matches
from storekit.qcache.node.http.requests import JSON_TYPE, Request, Response, refused
from storekit.qcache.node.node import Node

__all__ = ["Console"]

_FILES = b"/console/"
_DATA = b"/console/data/"

_METHODS = {b"life": "GET", b"tables": "GET", b"table": "GET", b"rows": "POST", b"query": "POST"}
"""Methods of the data paths."""

_QUICK = b"life"
_LONG = b"query"

_MOST_POSTED = 2**20
"""Maximum bytes of what the page posts."""

_OWN = ("same-origin", "none")
"""`Sec-Fetch-Site` of requests of the page itself, and of the user."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_SECURITY = (
    ("content-security-policy", _POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
)


class Console:
    """Serves the page and its data, with the same methods as `Node`."""

    def __init__(self, node: Node, queue: Callable[[], Queue]) -> None:
        self._node = node
        self._queue = queue
        self._assets = assets()

    def serves(self, request: Request) -> bool:
        """Whether a request is for the page. For other requests the path is 404, as in QCache."""
        if request.path == b"/":
            accept = request.headers.get("accept")
            return request.method == "GET" and accepts(accept, "text/html")
        return request.path.startswith(_FILES)

    def refuse_head(self, request: Request) -> Response | None:
        """Return the response if it does not depend on the body: no access, or no such path."""
        response = self._refuse(request)
        return response and _completed(request, response)

    def budget_for(self, _request: Request) -> Budget:
        """Return a new budget for a request."""
        return self._node.query_budget()

    def most_content(self, _request: Request) -> int:
        """Return how many bytes the body of a request may have."""
        return _MOST_POSTED

    def table_to_come(self, _request: Request) -> None:
        """Return None: no tables are uploaded here."""

    def is_quick(self, request: Request) -> bool:
        """Whether serving this takes no more than microseconds."""
        return _data(request) in (None, _QUICK)

    def is_small(self, request: Request) -> bool:
        """Whether serving this is expected to take some milliseconds."""
        return _data(request) != _LONG

    def kind_of(self, request: Request) -> str:
        """Return the kind of a request for metrics; queries are counted as those of clients."""
        return "query" if _data(request) == _LONG else "console"

    def key_of(self, _request: Request) -> None:
        """Return None: the path has no key."""

    def handle(self, request: Request) -> Response:
        """Serve a request. Every error becomes a response.

        Raises `NotQuick` if the budget of the request says so.
        """
        return answered(request, partial(self._answer, request), _completed)

    def _refuse(self, request: Request) -> Response | None:
        site = request.headers.get("sec-fetch-site", "none").strip().lower()
        if request.path != b"/" and site not in _OWN:
            return refused(403, "What the console shows is for its own page only")
        if (challenge := self._node.challenge(request)) is not None:
            return challenge
        data = _data(request)
        if data is None and self._asset(request) is None:
            return refused(404, "There is no such path")
        method = "GET" if data is None else _METHODS.get(data)
        if method is None:
            return refused(404, "There is no such path")
        if request.method != method:
            return refused(405, f"{request.method} has no meaning here", ("allow", method))
        return None

    def _asset(self, request: Request) -> Asset | None:
        if request.path == b"/":
            return self._assets[PAGE]
        name = request.path.removeprefix(_FILES).decode("latin-1")
        return None if name == PAGE else self._assets.get(name)

    def _answer(self, request: Request) -> Response:
        if (refusal := self._refuse(request)) is not None:
            return refusal
        data = _data(request)
        return self._file(request) if data is None else self._serve_data(data, request)

    def _file(self, request: Request) -> Response:
        asset = self._asset(request)
        assert asset is not None  # noqa: S101 - `_refuse` has checked it
        headers = (("etag", asset.etag), ("cache-control", "no-cache"), ("vary", "accept"))
        if etag_matches(request.headers.get("if-none-match", ""), asset.etag):
            return Response(304, headers)
        return Response(200, (("content-type", asset.content_type), *headers), asset.content)

    def _serve_data(self, data: bytes, request: Request) -> Response:
        node = self._node
        told: dict[str, object]
        if data == b"life":
            told = life_of(node, self._queue())
        elif data == b"tables":
            told = table_page(node, Order.of(_arguments(request)))
        elif data == b"table":
            told = described_table(node, _arguments(request))
        else:
            budget = request.budget or self.budget_for(request)
            question = Question.of(request.body, budget)
            told = rows_of(node, question, budget, peek=data == b"rows")
        body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
        kind = ("content-type", f"{JSON_TYPE}; charset=utf-8")
        return Response(200, (kind, ("cache-control", "no-store")), body)


def _data(request: Request) -> bytes | None:
    """Return the name of the data in the path of a request; None for a file."""
    return request.path.removeprefix(_DATA) if request.path.startswith(_DATA) else None


def _arguments(request: Request) -> Mapping[str, str]:
    try:
        return dict(parse_qsl(request.query.decode(), keep_blank_values=True, errors="strict"))
    except (UnicodeDecodeError, ValueError) as error:
        raise BadQuery("The URL has arguments that are no UTF-8") from error


def _completed(_request: Request, response: Response) -> Response:
    """Add the headers of all responses: restrictions for browsers, and the length."""
    length = ("content-length", str(len(response.body)))
    return Response(response.status, (*response.headers, *_SECURITY, length), response.body)
