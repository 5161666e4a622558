"""The servers of one role: who serves whom, who is out of order, and when all are."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

from tessy.engines.vllm.checks import Facts, Wanted, check_server
from tessy.engines.vllm.client import Client
from tessy.engines.vllm.http import Fault
from tessy.errors import EngineDown, EngineError

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0  # seconds


def pause(n: int) -> float:
    """Seconds before the repetition after the `n`-th failure in a row, n >= 1.

    It doubles, and half of it is drawn, lest many requests that failed at once return at once.
    """
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (n - 1)) * random.uniform(0.5, 1.0)


class Replica:
    """One server and what is known of it."""

    def __init__(self, client: Client, facts: Facts) -> None:
        self.client = client
        self.model = facts.model
        self.kv_tokens = facts.cache.kv_tokens if facts.cache else 0
        self.hits = facts.cache.hits if facts.cache else 0  # of its prefix cache, before this run
        self.unsaid = bool(facts.unsaid)
        self.healthy = True
        self.words = ""  # what was last wrong with it
        self.sessions: set[str] = set()  # whose prefixes it holds


class Replicas:
    """Chooses a replica for each request.

    A session stays with the replica that has its prefix in its cache. A replica that fails gets no
    requests until it passes the checks of the start again, which generate a token: so it takes
    part again as soon as it can, never as another model, and a failure that is a request's own
    fault takes it out for a moment only. Until then its sessions go to others.

    Args:
        replicas: checked.
        want: what they are checked for when they come back.
        patience_seconds: without any healthy one, until the run stops.
        counts: receives moved_sessions and lost_replicas.
    """

    def __init__(
        self,
        replicas: Sequence[Replica],
        want: Wanted,
        patience_seconds: float,
        counts: Counter[str],
    ) -> None:
        self.all = list(replicas)
        self._want = want
        self._patience = patience_seconds
        self._counts = counts
        self._homes: dict[str, Replica] = {}  # by session
        self._some_healthy = asyncio.Event()
        self._some_healthy.set()
        self._down_since = 0.0
        self._watches: set[asyncio.Task[None]] = set()

    @property
    def n_healthy(self) -> int:
        return sum(replica.healthy for replica in self.all)

    async def take(self, session: str) -> Replica:
        """The replica for a session's next request: its own, or the one with fewest sessions.

        Raises:
            EngineDown: no replica has been healthy for too long.
        """
        while not self._some_healthy.is_set():
            await self._wait()
        home = self._homes.get(session)
        if home is not None and home.healthy:
            return home
        if home is not None:
            home.sessions.discard(session)
            self._counts["moved_sessions"] += 1
        home = min((r for r in self.all if r.healthy), key=lambda r: len(r.sessions))
        home.sessions.add(session)
        self._homes[session] = home
        return home

    def release(self, session: str) -> None:
        """The session has no more requests."""
        if (home := self._homes.pop(session, None)) is not None:
            home.sessions.discard(session)

    def doubt(self, replica: Replica, words: str) -> None:
        """A request to this replica failed: it serves no more until it passes the checks."""
        replica.words = words
        if not replica.healthy:
            return
        replica.healthy = False
        self._counts["lost_replicas"] += 1
        if not self.n_healthy:
            self._down_since = asyncio.get_running_loop().time()
            self._some_healthy.clear()
        watch = asyncio.create_task(self._watch(replica))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    async def aclose(self) -> None:
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)

    async def _wait(self) -> None:
        left = self._down_since + self._patience - asyncio.get_running_loop().time()
        try:
            await asyncio.wait_for(self._some_healthy.wait(), max(left, 0))
        except TimeoutError:
            said = "; ".join(r.words for r in self.all)
            role = self._want.role
            raise EngineDown(
                f"no {role} server has answered for {self._patience:g} s ({said})",
                f"start them again or correct serve.{role}.urls, and give the same command again",
            ) from None

    async def _watch(self, replica: Replica) -> None:
        """Ask the replica until it passes the checks."""
        failures = 0
        while True:
            try:
                facts = await check_server(replica.client, self._want)
            except Fault as fault:
                replica.words = replica.client.describe(fault)
            except EngineError as error:
                replica.words = str(error)
            else:
                break
            failures += 1
            await asyncio.sleep(pause(failures))
        replica.model = facts.model
        if facts.cache is not None:  # a server that was started again counts from 0
            replica.hits = min(replica.hits, facts.cache.hits)
        replica.healthy = True
        self._some_healthy.set()
