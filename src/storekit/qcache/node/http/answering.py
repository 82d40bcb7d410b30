"""What is answered when a request can't be served, or serving it fails."""

import logging
from collections.abc import Callable

import polars as pl

from storekit.qcache.node.budget import NotQuick
from storekit.qcache.node.errors import Refusal
from storekit.qcache.node.http.requests import Request, Response, refused

__all__ = ["answered"]

_log = logging.getLogger("storekit")


def answered(
    request: Request,
    serve: Callable[[], Response],
    complete: Callable[[Request, Response], Response],
) -> Response:
    """Return what `serve` does, or why it does not, each completed.

    Raises `NotQuick` where `serve` does: the request is then to be served anew.
    """
    try:
        return complete(request, serve())
    except NotQuick:
        raise
    except Refusal as refusal:
        response = refused(refusal.status, str(refusal))
    except RecursionError:
        response = refused(400, "The request is nested too deeply")
    except (Exception, pl.exceptions.PanicException):  # noqa: BLE001 - logged; an answer is due
        _log.exception("the node failed at %s %r", request.method, request.path)
        response = refused(500, "The node failed at this; its log says why")
    return complete(request, response)
