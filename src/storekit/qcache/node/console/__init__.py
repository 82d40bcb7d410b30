"""The page of a node for browsers, and the data for it.

The page consists of a few static files below `static`, without a build step or external resources.
The tables that it shows are untrusted: their text is inserted as text, and the headers of each
response forbid the browser to run or load anything except these files.
"""

from storekit.qcache.node.console.life import Queue
from storekit.qcache.node.console.site import Console

__all__ = ["Console", "Queue"]
