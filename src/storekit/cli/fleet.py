"""The commands `status`, `top` and `ring`: the nodes of a store, and which one has a key."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import click

from storekit._extras import require
from storekit.cli.exits import DENIED, OK, UNREACHABLE
from storekit.cli.invocation import Invocation, command
from storekit.cli.nodes import NodeFigures, QCacheNodes, QuasarDBNodes
from storekit.cli.output import shown_duration, shown_size
from storekit.cli.stores import named_stores, qcache_nodes
from storekit.cli.tabular import table_lines

__all__ = ["ring_", "status_", "top_"]


@dataclass(frozen=True, slots=True)
class Reading:
    """The status of the nodes of one store at a time of the monotonic clock."""

    store: str
    nodes: list[NodeFigures]
    at: float


@command("status", short_help="Show the status of the nodes of the stores.")
def status_(invocation: Invocation) -> int:
    """Show the nodes of the stores: health, contents, and counts of operations.

    The exit code is 3 if a node can't be reached, 5 if all failed nodes refuse the password.
    """
    output = invocation.output
    with ExitStack() as stack:
        readings = [ask() for ask in _stores(invocation, stack)]
    for reading in readings:
        if invocation.json:
            for node in reading.nodes:
                output.json({"store": reading.store, **_fields(node)})
            continue
        output.lines([f"{reading.store}:", *table_lines(_rows(reading, None), output.width)])
        for node in reading.nodes:
            if node.error is not None:
                output.note(node.error)
    failed = [node for reading in readings for node in reading.nodes if not node.ok]
    if not failed:
        return OK
    return DENIED if all(node.denied for node in failed) else UNREACHABLE


@command("top", short_help="Watch the nodes of the stores.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    metavar="SECONDS",
    help="By default 2.",
)
@click.option("-n", "--count", type=click.IntRange(min=1), help="End after this many updates.")
def top_(invocation: Invocation, interval: float, count: int | None) -> None:
    """Show the nodes of the stores, updated until Ctrl-C.

    Operations are counted per second. An embedded store only counts those of its own process.
    """
    before: dict[str, Reading] = {}
    with ExitStack() as stack:
        stores = _stores(invocation, stack)
        show = _screen(invocation, stack)
        number = 0
        try:
            while True:
                readings = [ask() for ask in stores]
                show([(each, before.get(each.store)) for each in readings])
                before = {each.store: each for each in readings}
                number += 1
                if number == count:
                    return
                time.sleep(interval)
        except KeyboardInterrupt:  # the usual end
            return


def _stores(invocation: Invocation, stack: ExitStack) -> list[Callable[[], Reading]]:
    """Return a function for each store that reads its status. Raises `CommandError` if none."""
    asked: list[Callable[[], Reading]] = []
    for name in named_stores(invocation):
        if name == "QuasarDB":
            qdb = stack.enter_context(QuasarDBNodes.opened(invocation))
            asked.append(partial(_read, name, qdb))
        else:
            qcache = stack.enter_context(QCacheNodes.opened(invocation))
            asked.append(partial(_read, name, qcache))
    return asked


def _read(store: str, nodes: QuasarDBNodes | QCacheNodes) -> Reading:
    return Reading(store, nodes.figures(), time.monotonic())


Show = Callable[[list[tuple[Reading, Reading | None]]], None]


def _screen(invocation: Invocation, stack: ExitStack) -> Show:
    """Return a function that shows readings along with earlier ones; on a terminal, in place."""
    output = invocation.output

    def lines_of(pairs: list[tuple[Reading, Reading | None]]) -> list[str]:
        lines = [f"{time.strftime('%H:%M:%S')}  Ctrl-C ends"]
        for reading, before in pairs:
            lines += ["", f"{reading.store}:"]
            lines += table_lines(_rows(reading, before), output.width)
            lines += [node.error for node in reading.nodes if node.error]
        return lines

    if invocation.json:

        def show_json(pairs: list[tuple[Reading, Reading | None]]) -> None:
            for reading, _ in pairs:
                for node in reading.nodes:
                    output.json({"store": reading.store, "time": time.time(), **_fields(node)})

        return show_json
    if not output.is_terminal:
        return lambda pairs: output.lines([*lines_of(pairs)[2:], ""])
    require("a live view", "cli", "rich")
    from rich.console import Console  # noqa: PLC0415 - only for the live view
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(file=sys.stdout, highlight=False)
    live = stack.enter_context(Live(console=console, screen=True, auto_refresh=False))
    return lambda pairs: live.update(
        Text("\n".join(output.visible_lines(lines_of(pairs)))), refresh=True
    )


def _rows(reading: Reading, before: Reading | None) -> list[dict[str, object]]:
    shown = _of_quasardb if reading.store == "QuasarDB" else _of_qcache
    earlier = {} if before is None else {node.node: node.figures for node in before.nodes}
    seconds = 1.0 if before is None else max(1e-3, reading.at - before.at)
    return [shown(node, earlier.get(node.node), seconds) for node in reading.nodes]


def _of_qcache(
    node: NodeFigures, before: Mapping[str, float] | None, seconds: float
) -> dict[str, object]:
    figures = node.figures
    row = _common(node)
    held = figures.get("qcache_tables_bytes")
    room = figures.get("qcache_size_bytes")
    row["tables"] = _whole(figures.get("qcache_tables"))
    row["memory"] = None if held is None else shown_size(held)
    row["full"] = None if held is None or not room else f"{held / room:.0%}"
    for title, name in (
        ("hits", "qcache_hits_total"),
        ("misses", "qcache_misses_total"),
        ("evicted", "qcache_evictions_total"),
    ):
        row[_title(title, before)] = _rate(name, figures, before, seconds)
    row["waiting"] = _whole(figures.get("qcache_requests_waiting"))
    return row


def _of_quasardb(
    node: NodeFigures, before: Mapping[str, float] | None, seconds: float
) -> dict[str, object]:
    figures = node.figures
    row = _common(node)
    row["entries"] = _whole(figures.get("entries"))
    row["size"] = None if "size" not in figures else shown_size(figures["size"])
    row[_title("operations", before)] = _rate("operations", figures, before, seconds)
    row[_title("failures", before)] = _rate("failures", figures, before, seconds)
    row["sessions"] = _whole(figures.get("sessions"))
    return row


def _common(node: NodeFigures) -> dict[str, object]:
    answer = "" if node.seconds is None else shown_duration(node.seconds)
    name = node.node.removeprefix("http://")
    return {"node": name, "answer": answer if node.ok else "out"}


def _title(title: str, before: Mapping[str, float] | None) -> str:
    return title if before is None else f"{title}/s"


def _rate(
    name: str, figures: Mapping[str, float], before: Mapping[str, float] | None, seconds: float
) -> float | None:
    if name not in figures:
        return None
    if before is None:
        return int(figures[name])
    since = figures[name] - before.get(name, 0.0)
    return round(max(0.0, since) / seconds, 1)  # negative if the node was restarted


def _whole(figure: float | None) -> int | None:
    return None if figure is None else int(figure)


def _fields(node: NodeFigures) -> dict[str, object]:
    return {
        "node": node.node,
        "ok": node.ok,
        "error": node.error,
        "seconds": node.seconds,
        "skew": node.skew,
        "version": node.version,
        "figures": dict(node.figures),
    }


@command("ring", short_help="Show which node of QCache has a key.")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
def ring_(invocation: Invocation, keys: tuple[str, ...]) -> None:
    """Show which node of QCache has each KEY, and which nodes take over if it fails.

    This is computed from the addresses, without a request.
    """
    from storekit.qcache.ring import HashRing  # noqa: PLC0415 - not needed for `--help`

    nodes = qcache_nodes(invocation, invocation.settings())
    output = invocation.output
    for key in keys:
        ring = HashRing(nodes)
        order: list[str] = []
        while (node := ring.node_for(key)) is not None:
            order.append(node)
            ring.take_out(node)
        output.result(key=key, node=order[0], then=order[1:])
        then = f", then {', '.join(order[1:])}" if len(order) > 1 else ""
        output.line(f"{key}: {order[0]}{then}")
