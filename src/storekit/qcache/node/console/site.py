"""The paths of the page: who may ask, for what, and with which headers it is answered.

| path | answer |
|---|---|
| `/`, to what accepts `text/html` | the page |
| `/console/NAME` | its other files |
| `/console/data/life` | what the node did, and does |
| `/console/data/tables` | its tables, a page at a time |
| `/console/data/table?key=KEY` | one of them, with its columns |
| `/console/data/rows`, posted | rows or a cell of a table, which is no use of it |
| `/console/data/query`, posted | the same of the answer to a query, in SQL or JSON |
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
"""How to ask for which data."""

_QUICK = b"life"
_LONG = b"query"

_MOST_POSTED = 2**20
"""Bytes of what the page posts."""

_OWN = ("same-origin", "none")
"""What `Sec-Fetch-Site` says of a request that the page has made, or nobody's page."""

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
    """Serves the page and what it asks for, by the methods by which a `Node` serves the rest."""

    def __init__(self, node: Node, queue: Callable[[], Queue]) -> None:
        self._node = node
        self._queue = queue
        self._assets = assets()

    def serves(self, request: Request) -> bool:
        """Whether a request is for the page. To others there is no such path, as in QCache."""
        if request.path == b"/":
            accept = request.headers.get("accept")
            return request.method == "GET" and accepts(accept, "text/html")
        return request.path.startswith(_FILES)

    def refuse_head(self, request: Request) -> Response | None:
        """Return the answer if there is one without the body: no access, or no such path."""
        response = self._refuse(request)
        return response and _completed(request, response)

    def budget_for(self, _request: Request) -> Budget:
        """Return what a request may take; made once for each."""
        return self._node.query_budget()

    def most_content(self, _request: Request) -> int:
        """Return how many bytes the body of a request may have."""
        return _MOST_POSTED

    def table_to_come(self, _request: Request) -> None:
        """Return what reads a table while it comes: none does here."""

    def is_quick(self, request: Request) -> bool:
        """Whether serving this takes no more than microseconds."""
        return _data(request) in (None, _QUICK)

    def is_small(self, request: Request) -> bool:
        """Whether serving this should take some milliseconds."""
        return _data(request) != _LONG

    def kind_of(self, request: Request) -> str:
        """Return what a request is for, in a word: a query is one, wherever it comes from."""
        return "query" if _data(request) == _LONG else "console"

    def key_of(self, _request: Request) -> None:
        """Return the key of the table that a request is for: the path has none."""

    def handle(self, request: Request) -> Response:
        """Serve a request. Whatever comes in, an answer comes out.

        Raises `NotQuick` if its budget is to be quick, and it is not.
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
        return self._file(request) if data is None else self._tell(data, request)

    def _file(self, request: Request) -> Response:
        asset = self._asset(request)
        assert asset is not None  # noqa: S101 - it was looked at
        headers = (("etag", asset.etag), ("cache-control", "no-cache"), ("vary", "accept"))
        if etag_matches(request.headers.get("if-none-match", ""), asset.etag):
            return Response(304, headers)
        return Response(200, (("content-type", asset.content_type), *headers), asset.content)

    def _tell(self, data: bytes, request: Request) -> Response:
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
    """Return the data that a request is for; None if it is for a file."""
    return request.path.removeprefix(_DATA) if request.path.startswith(_DATA) else None


def _arguments(request: Request) -> Mapping[str, str]:
    try:
        return dict(parse_qsl(request.query.decode(), keep_blank_values=True, errors="strict"))
    except (UnicodeDecodeError, ValueError) as error:
        raise BadQuery("The URL has arguments that are no UTF-8") from error


def _completed(_request: Request, response: Response) -> Response:
    """Add what all answers have: what browsers may do with them, and the length."""
    length = ("content-length", str(len(response.body)))
    return Response(response.status, (*response.headers, *_SECURITY, length), response.body)
