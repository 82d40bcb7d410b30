"""The page that a node shows in a browser, and what that page asks the node for.

The page is a few files below `static`, served as they are: no build step, nothing from elsewhere.
It shows what others have stored, so it is not trusted with it: text goes into the page as text,
and the headers of each answer forbid the browser to run or load anything but these files.
"""

from storekit.qcache.node.console.life import Queue
from storekit.qcache.node.console.site import Console

__all__ = ["Console", "Queue"]
