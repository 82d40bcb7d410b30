# Generated from src/storekit/recipes/_async/lock.py by tools/generate_sync.py; do not edit.

"""A lock that one holder at a time has, in all processes."""

import random
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self

from storekit.core.clocks import steady
from storekit.core.seam._sync import BackgroundTasks, Event, pause_by, shielded
from storekit.errors import StoreKitError
from storekit.qdb._sync.store import Store
from storekit.qdb.errors import (
    AliasAlreadyExists,
    AliasNotFound,
    Conflict,
    UnmatchedContent,
)
from storekit.qdb.times import Expiry
from storekit.qdb.values import BatchRequest, Operations
from storekit.recipes.checks import check_client, check_name, check_seconds
from storekit.recipes.errors import LockLost, LockTimeout

__all__ = ["Lock"]

_LONGEST_PAUSE = 0.25  # seconds between two tries to take a lock
_RENEWALS = 3  # in the time of a lock, so that two may fail


class Lock:
    """A lock that one holder at a time has, in all processes. Use it as a context.

    ```python
    from storekit.qdb import Client
    from storekit.recipes import lock

    with Client("embedded:") as client:
        with lock(client, "import", ttl=30) as held:
            held.update("result", "what the import gave")
    ```

    **What is guaranteed.** While the holder lives and reaches the store, nobody else has the lock:
    it is renewed three times in each `ttl`. If the holder's process dies, the lock is free after at
    most `ttl` seconds. If the store is away for longer than `ttl`, or the process stands still, or
    the clocks of two machines differ by as much, another one may take the lock while the first one
    goes on. So each holder has a `token`, greater than those of all holders before: `update` writes
    only where no greater token has written, in one transaction, and `check` tells whether the time
    has run out. Leaving the context raises `LockLost` if the lock was lost on the way.

    It is not re-entrant: who holds it and takes it again waits for itself.
    """

    def __init__(
        self,
        client: Store[Any, Any, Any, Any],
        name: str,
        *,
        ttl: float = 30.0,
        timeout: float | None = None,
        clock: Callable[[], float] | None = None,
        pause: Callable[[float], None] | None = None,
    ) -> None:
        check_client(client, type(self), self.update)
        self._client = client
        self._name = check_name(name)
        self._ttl = check_seconds("ttl", ttl)
        self._timeout = None if timeout is None else check_seconds("timeout", timeout)
        self._clock = steady(client.clock) if clock is None else clock
        self._pause = pause_by(client.clock) if pause is None else pause
        self._alias = f"lock/{self._name}"
        self._owner = b""
        self._token = 0
        self._until = 0.0  # before that, nobody else can have it
        self._was_held = False
        self._released = Event()
        self._renewing = BackgroundTasks()

    def __repr__(self) -> str:
        state = f"held, token {self._token}" if self._owner else "not held"
        return f"<{type(self).__name__} {self._name!r}, {state}>"

    @property
    def token(self) -> int:
        """A number that is greater than those of all holders before this one."""
        if not self._token:
            raise LockLost(f"the lock {self._name!r} was not taken yet")
        return self._token

    def __enter__(self) -> Self:
        """Take the lock. Raises `LockTimeout`, and what the client raises."""
        if self._owner:
            raise RuntimeError(f"this lock of {self._name!r} is held already; make another one")
        owner = uuid.uuid4().hex.encode()
        try:
            self._take(owner)
            self._token = self._next_token()
        except BaseException:
            with suppress(StoreKitError):  # the error that is on its way says more
                shielded(self._let_go, owner)  # the store may have the lock all the same
            raise
        self._owner = owner
        self._released = Event()
        self._renewing.start(self._renew)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of the lock. Raises `LockLost` if it was lost, unless there is an error."""
        owner, self._owner = self._owner, b""
        self._released.set()
        shielded(self._renewing.close)
        in_time = self._clock() < self._until
        self._was_held = False
        shielded(self._let_go, owner)
        if exc_value is None and not (in_time and self._was_held):
            raise LockLost(self._lost())

    def check(self) -> None:
        """Raise `LockLost` if another one may have the lock by now."""
        if not self._owner or self._clock() >= self._until:
            raise LockLost(self._lost())

    def update(self, alias: object, value: object, expiry_time: Expiry = None) -> None:
        """Store an entry, in one step with a look at the tokens that have written before.

        Raises `LockLost` if a later holder of this lock has written, and nothing is stored then.
        """
        fence = f"{self._alias}/fence"
        token = self.token
        write = BatchRequest(Operations.update, alias, value, expiry=expiry_time)
        while True:
            try:
                seen = self._client.string_get(fence)
            except AliasNotFound:
                passes = BatchRequest(Operations.string_put, fence, str(token))
            else:
                if int(seen) > token:
                    raise LockLost(self._lost())
                passes = BatchRequest(Operations.string_compare_and_swap, fence, str(token), seen)
            try:
                self._client.run_transaction([passes, write])
            except (AliasAlreadyExists, AliasNotFound, UnmatchedContent, Conflict):
                continue  # another holder's write was first: look again
            return

    def _take(self, owner: bytes) -> None:
        give_up = None if self._timeout is None else self._clock() + self._timeout
        while True:
            began = self._clock()
            try:
                self._client.put(self._alias, owner, timedelta(seconds=self._ttl), codec="raw")
            except AliasAlreadyExists as error:
                pause = random.uniform(0, min(_LONGEST_PAUSE, self._ttl / 4))  # noqa: S311 - no secret
                if give_up is not None and self._clock() + pause >= give_up:
                    raise LockTimeout(
                        f"the lock {self._name!r} was held by others for {self._timeout} s"
                    ) from error
                self._pause(pause)
            else:
                self._until = began + self._ttl
                return

    def _next_token(self) -> int:
        alias = f"{self._alias}/token"
        while True:
            try:
                return self._client.int_add(alias, 1)
            except AliasNotFound:
                try:
                    self._client.int_put(alias, 0)
                except AliasAlreadyExists:
                    continue

    def _renew(self) -> None:
        """Renew the lock until it is let go, or lost."""
        owner = self._owner
        lifetime = timedelta(seconds=self._ttl)
        swap = partial(self._client.compare_and_swap, self._alias, owner, owner, lifetime)
        while not self._released.wait(self._ttl / _RENEWALS):
            began = self._clock()
            try:
                found = swap(codec="raw")
            except AliasNotFound:
                self._until = began
                return
            except StoreKitError:
                continue  # the store is away: until the time is over, it may come back
            if found != owner:
                self._until = began
                return
            self._until = began + self._ttl

    def _let_go(self, owner: bytes) -> None:
        """Remove the lock if it is this holder's, and note that it was."""
        try:
            self._client.remove_if(self._alias, owner, codec="raw")
        except (AliasNotFound, UnmatchedContent):
            return
        self._was_held = True

    def _lost(self) -> str:
        return (
            f"the lock {self._name!r} (token {self._token}) was lost: its time of {self._ttl} s "
            "ran out, and another one may have it; a longer ttl allows for longer pauses"
        )
