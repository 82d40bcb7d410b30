"""The threads' half of the workers: they take calls from the queue and make them.

The only lock is one for hiring and leaving. The queue is a deque, whose single operations
are atomic; a thread that finds it empty lies down on a lock of its own and is released
from there.
"""

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from storekit.core.seam._async import monotonic
from storekit.core.threads.calls import Joint
from storekit.core.threads.ports import Call, Port, Run
from storekit.options import PoolLimits

__all__ = ["Crew"]

S = TypeVar("S")

_log = logging.getLogger("storekit")


class Crew(Generic[S]):
    """The queue and the threads that work on it. It knows nothing of event loops."""

    def __init__(
        self,
        connect: Callable[[], S],
        close: Callable[[S], object],
        is_broken: Callable[[BaseException], bool],
        limits: PoolLimits,
        most_joined: int,
        grace: float,
        name: str,
        connect_timeout: float | None,
    ) -> None:
        self.connect = connect
        self.connect_timeout = connect_timeout
        self.close = close
        self.is_broken = is_broken
        self.limits = limits
        self.most_joined = most_joined
        self.grace = grace
        self.name = name
        self.plain: deque[Call] = deque()
        self.joint: deque[Call] = deque()  # apart, so that plain calls between don't split them
        self.idle: deque[Worker[S]] = deque()
        self.workers: set[Worker[S]] = set()
        self.lost: set[Worker[S]] = set()
        self.rousing: bool = False  # one thread is on its way and will look at the queue
        self.closed: bool = False
        self.stuck_by: float | None = None  # when to give up what waits; see `note_connecting`
        self.on_empty: Callable[[], object] = lambda: None
        # Garbage that is collected while it is held may submit a call, for its clean-up.
        self.lock: threading.RLock = threading.RLock()

    def submit(self, call: Call) -> None:
        """Queue a call, and see to it that somebody takes it."""
        (self.joint if type(call.function) is Joint else self.plain).append(call)
        if not self.rousing:
            self.rouse()

    def rouse(self) -> None:
        """Wake an idle thread, or start one if there may be more."""
        if self.rousing:
            return
        try:
            worker = self.idle.pop()
        except IndexError:
            if len(self.workers) < self.limits.max_size:
                self.hire()
            return
        self.rousing = True
        worker.bell.release()

    def hire(self) -> None:
        """Start one more thread, if the limit allows."""
        with self.lock:
            if len(self.workers) >= self.limits.max_size:
                return
            worker = Worker(self)
            # In place of one that was given up: it will not fare better.
            worker.connecting = self.stuck_by is not None
            self.workers.add(worker)
            self.rousing = True
        try:
            worker.thread.start()
        except BaseException:
            self.rousing = False
            with self.lock:
                self.workers.discard(worker)
            if not self.workers:  # else those that are there do the work
                raise

    def connect_deadline(self) -> float:
        """Return until when somebody who comes now waits for a session to be opened."""
        return math.inf if self.connect_timeout is None else monotonic() + self.connect_timeout

    def when_stuck(self) -> float | None:
        """Return when to give up the calls in the queue, None while threads can take them."""
        return self.stuck_by

    def note_connecting(self, worker: "Worker[S]", connecting: bool) -> None:
        """Note whether a thread is opening a session, which calls in the queue wait for then.

        If all threads are, and there may be no more of them, these calls wait for as long as
        any other that waits for a session. The port's alarm is set for the call that makes
        the thread connect, and then looks at all others, too.
        """
        with self.lock:
            worker.connecting = connecting
            self._look_for_stuck()

    def _look_for_stuck(self) -> None:
        stuck = len(self.workers) >= self.limits.max_size and all(
            worker.connecting for worker in self.workers
        )
        if not stuck or self.connect_timeout is None:
            self.stuck_by = None
        elif self.stuck_by is None:
            self.stuck_by = self.connect_deadline()

    def leave(self, worker: "Worker[S]") -> None:
        """Take a thread that ends off the list."""
        with self.lock:
            self.workers.discard(worker)
            self.lost.discard(worker)
            self._look_for_stuck()
            empty = not self.workers
        if self.plain or self.joint:  # submitted while this one was on its way out
            self.rouse()
        elif empty:
            self.on_empty()

    def replace_abandoned(self) -> float | None:
        """Give up threads whose callers have all gone long ago, so that others take their place.

        As many may be given up as there are places: a store that never answers must not
        gather threads without end. Returns when to look again, if at all.
        """
        now = monotonic()
        again: float | None = None
        with self.lock:
            for worker in list(self.workers):
                since = worker.run.abandoned_at
                if since is None:
                    continue
                if now - since >= self.grace and len(self.lost) < self.limits.max_size:
                    worker.replaced = True
                    self.workers.discard(worker)
                    self.lost.add(worker)
                else:
                    again = max(since, now) + self.grace
        if self.plain or self.joint:
            self.rouse()
        return again

    def dismiss(self) -> None:
        """Let every thread end once its call is over."""
        self.closed = True
        while self.idle:
            try:
                worker = self.idle.pop()
            except IndexError:
                break
            worker.bell.release()

    def discard(self, call: Call) -> None:
        """Free the value of a call that nobody waits for."""
        value, call.value = call.value, None
        if call.discard is not None and call.error is None and value is not None:
            self.run_later(call.discard, value)

    def run_later(self, function: Callable[..., object], *args: object) -> None:
        """Make a call that nobody waits for, if need be in this thread."""
        if self.closed and not self.workers:
            _quietly(function, *args)
        else:
            self.submit(Call(None, function, args, None, bare=True))


class Worker(Generic[S]):
    """One thread with one session."""

    def __init__(self, crew: Crew[S]) -> None:
        self.bell: threading.Lock = threading.Lock()
        self.bell.acquire()
        self.replaced = False
        self.connecting = False  # opens a session, or has failed to and tries again
        self.run: Run = Run(1)
        self.session: S | None = None
        self._fresh_until = 0.0
        self._crew = crew
        self.thread: threading.Thread = threading.Thread(
            target=self._work, name=crew.name, daemon=True
        )

    def _work(self) -> None:
        crew = self._crew
        crew.rousing = False
        try:
            while not self.replaced:
                worked = False
                if crew.joint:
                    worked = self._make_joint_calls()
                try:
                    call = crew.plain.popleft()
                except IndexError:
                    if not worked and not self._rest():
                        break
                else:
                    self._make_call(call)
                    del call  # with its value, which may be large, while this one rests
        finally:
            self._drop_session()
            crew.leave(self)

    def _rest(self) -> bool:
        """Lie down until there is work; False to end."""
        crew = self._crew
        if self.connecting:
            crew.note_connecting(self, False)
        crew.idle.append(self)
        if crew.plain or crew.joint or crew.closed:
            try:
                crew.idle.remove(self)
            except ValueError:  # somebody has already reached for the bell
                self.bell.acquire()
                crew.rousing = False
        elif self.bell.acquire(timeout=min(crew.limits.max_idle, threading.TIMEOUT_MAX)):
            crew.rousing = False
        else:
            try:
                crew.idle.remove(self)
            except ValueError:
                self.bell.acquire()
                crew.rousing = False
            else:
                return len(crew.workers) <= crew.limits.min_size
        if self.session is not None and monotonic() >= self._fresh_until:
            self._drop_session()
        return not crew.closed or bool(crew.plain or crew.joint)

    def _make_call(self, call: Call) -> None:
        run = self.run = call.run = Run(1)
        if not call.take():
            return
        if self._crew.plain:
            self._crew.rouse()
        function, args = call.function, call.args
        try:
            if call.bare:
                if self.connecting:
                    self._crew.note_connecting(self, False)
                call.value = function(*args)
            elif self.session is None and not self._connect([call]):
                pass  # given up meanwhile, and not begun
            else:
                call.value = function(self.session, *args)
        except BaseException as error:  # noqa: BLE001 - it goes to the caller
            self._note_failure(call, error)
        call.args = function = args = ()  # not kept alive by a caller that is slow to look
        run.abandoned_at = None
        port = call.port
        if port is not None:
            port.done.append(call)
            port.post()
        elif call.error is not None:
            _log.warning("%s: a clean-up failed", self._crew.name, exc_info=call.error)
        self.run = _NOTHING

    def _make_joint_calls(self) -> bool:
        """Take all joint calls of one kind that wait, and make them as one."""
        crew = self._crew
        queue = crew.joint
        run = Run(0)
        calls: list[Call] = []
        kind: Joint[S, Any, Any] | None = None
        while len(calls) < crew.most_joined:
            try:
                call = queue.popleft()
            except IndexError:
                break
            if kind is not None and call.function is not kind:
                queue.appendleft(call)
                break
            call.run = run
            run.wanted += 1
            if call.take():
                kind = call.function
                calls.append(call)
            else:
                run.wanted -= 1
        if kind is None:
            return False
        self.run = run
        if queue or crew.plain:
            crew.rouse()
        try:
            wanted = calls if self.session is not None else self._connect(calls)
            session: Any = self.session
            if len(wanted) == 1:
                wanted[0].value = kind.one(session, wanted[0].args)
            elif wanted:
                self._settle(wanted, kind.many(session, [call.args for call in wanted]))
        except BaseException as error:  # noqa: BLE001 - it goes to the callers
            self._note_failure(calls[0], error)
            for call in calls[1:]:
                call.error = kind.copy_error(error) if isinstance(error, Exception) else error
        port: Port | None = None
        for call in calls:
            if call.port is not port:
                if port is not None:
                    port.post()
                port = call.port
            if port is not None:
                port.done.append(call)
        if port is not None:
            port.post()
        self.run = _NOTHING
        return True

    def _settle(self, calls: Sequence[Call], values: Sequence[Any]) -> None:
        for call, value in zip(calls, values, strict=True):
            if isinstance(value, Exception):
                self._note_failure(call, value)
            else:
                call.value = value

    def _note_failure(self, call: Call, error: BaseException) -> None:
        call.error = error
        if self.session is not None and self._crew.is_broken(error):
            self._drop_session()

    def _connect(self, calls: list[Call]) -> list[Call]:
        """Open a session; return the calls that are still wanted then."""
        crew = self._crew
        for call in calls:
            call.connecting.append(None)
            if crew.connect_timeout is not None and call.port is not None:
                call.connect_by = monotonic() + crew.connect_timeout
                call.port.wake(partial(call.port.arm, call.connect_by))
        if not self.connecting:
            crew.note_connecting(self, True)
        try:
            self.session = crew.connect()
            crew.note_connecting(self, False)
            self._fresh_until = monotonic() + crew.limits.max_lifetime
        finally:
            wanted = [call for call in calls if call.link()]
        return wanted

    def _drop_session(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            _quietly(self._crew.close, session)


_NOTHING = Run(1)
"""What a thread does that does nothing."""


def _quietly(function: Callable[..., object], *args: object) -> None:
    try:
        function(*args)
    except Exception:  # noqa: BLE001 - a clean-up must not hide the outcome of what came before
        _log.warning("a clean-up failed", exc_info=True)
