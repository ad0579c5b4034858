"""The blocking client."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import httpx

from skb.client import exchange, optimization, pci, placement, rules
from skb.client.exchange import LOCAL, URL, Exchange
from skb.client.optimization import Optimum
from skb.client.pci import PciPlan
from skb.client.placement import Placement
from skb.client.retry import PATIENCE, Attempts
from skb.client.rules import (
    DeclaredQuery,
    RuleModule,
    Rules,
    RulesChecked,
    RulesPushed,
    RulesRolledBack,
    RulesTested,
)
from skb.client.types import (
    Answer,
    Change,
    Explanation,
    FactJson,
    Health,
    Loaded,
    Machine,
    Predicate,
    Routes,
    Tree,
    Version,
)

T = TypeVar("T")


class Client:
    """A client of the service at `url`. A context manager. Not for several threads at once.

    Proxies that the environment names are not asked: the service is on this machine, or at the near end of a tunnel.
    What is asked is about `machine`, by default the one that the service runs on.
    Every method raises SkbUnreachable if no service answers, and SkbProblem, by its type, if it answers with a problem.

    An answer may take `timeout` seconds, and what a question allows for itself. For `patience` seconds, what can be done twice without
    harm is sent again when a connection breaks or the service is busy (see `retry`); 0: nothing ever is. Another `transport` than the
    network is for services within this process.
    """

    def __init__(
        self,
        url: str = URL,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        machine: str = LOCAL,
        patience: float = PATIENCE,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url
        self._machine = machine
        self._timeout = timeout
        self._patience = patience
        self._met = False
        self._http = httpx.Client(
            base_url=exchange.base(url),
            headers=exchange.headers(token),
            timeout=timeout,
            trust_env=False,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, what: Exchange[T]) -> T:
        what = what.of(self._machine)
        content = what.data
        attempts = self._attempts(what)
        while True:
            try:
                response = self._http.request(
                    what.method,
                    what.path,
                    params=what.query,
                    content=content,
                    headers=_headers(what),
                    timeout=self._timeout + what.seconds,
                )
            except httpx.TransportError as error:
                if (pause := attempts.after(error)) is None:
                    raise exchange.unreachable(self.url, error) from error
            else:
                self._met = True
                if (pause := attempts.after(response)) is None:
                    return what.answer(response)
            time.sleep(pause)

    @contextmanager
    def _open(self, what: Exchange[Any]) -> Iterator[httpx.Response]:
        what = what.of(self._machine)
        timeout = httpx.Timeout(self._timeout, read=None if what.method == "GET" else self._timeout + what.seconds)
        attempts = self._attempts(what)
        begun = False  # what has begun is not begun again: whoever reads has some of it
        while True:
            try:
                with self._http.stream(
                    what.method,
                    what.path,
                    params=what.query,
                    content=what.data,
                    headers=_headers(what),
                    timeout=timeout,
                ) as response:
                    self._met = True
                    if not response.is_error:
                        begun = True
                        yield response
                        return
                    response.read()
                if (pause := attempts.after(response)) is None:
                    what.answer(response)
                    return
            except httpx.TransportError as error:
                if begun or (pause := attempts.after(error)) is None:
                    raise exchange.unreachable(self.url, error) from error
            time.sleep(pause)

    def _attempts(self, what: Exchange[Any]) -> Attempts:
        return Attempts(repeatable=what.idempotent, met=self._met, patience=self._patience)

    def health(self) -> Health:
        """Ask whether the service can answer."""
        return self._send(exchange.health())

    def version(self) -> Version:
        """Ask which service this is."""
        return self._send(exchange.version())

    def facts(self) -> list[Predicate]:
        """List the declared facts."""
        return self._send(exchange.facts())

    def rows(self, name: str, /, *, revision: int | None = None, **filters: int | str | None) -> list[dict[str, Any]]:
        """Give all rows of a fact whose fields have the values of `filters`; a PCI address is written `0000:00:1f.3`.

        With `revision`, as of then, if that is still in the log.
        """
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self._send(exchange.rows(name, filters, cursor, revision))
            found += page.rows
            cursor = page.cursor
            if cursor is None:
                return found

    def update(
        self, assert_: Sequence[FactJson] = (), retract: Sequence[FactJson] = (), if_revision: int | None = None
    ) -> int:
        """Retract, then assert, in one transaction; gives its revision. In `retract` an argument may be `{"var": "_"}`: any value.

        A fact whose key is known replaces it. With `if_revision`, nothing is done unless that is the latest.
        """
        return (self._send(exchange.update(assert_, retract, if_revision))).revision

    def query(
        self, goal: str, params: dict[str, Any] | None = None, limit: int | None = None, timeout_ms: int | None = None
    ) -> Answer:
        """Solve a Prolog goal. `params` are values for its variables; a string among them is an atom."""
        return self._send(exchange.query(goal, params, limit, timeout_ms))

    def explain(
        self, goal: str, params: dict[str, Any] | None = None, depth: int | None = None, timeout_ms: int | None = None
    ) -> Explanation:
        """Ask why a goal holds: its first proof, down to the facts, or to so many levels."""
        return self._send(exchange.explain(goal, params, depth, timeout_ms))

    def stream(
        self, goal: str, params: dict[str, Any] | None = None, limit: int | None = None, timeout_ms: int | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """Solve a Prolog goal; give its solutions as they are found, however many there are.

        `close()`, or leaving the loop with the last reference, ends the work of the service too.
        """
        with self._open(exchange.stream(goal, params, limit, timeout_ms)) as response:
            for line in response.iter_lines():
                solution = exchange.solution(line)
                if solution is None:
                    return
                yield solution

    def watch(self, *names: str, since: int | None = None) -> Generator[Change, None, None]:
        """Follow what happens to some facts, or to all: every transaction after a revision, by default from now on."""
        events = exchange.Events()
        with self._open(exchange.watch(names, since)) as response:
            for line in response.iter_lines():
                change = events.line(line)
                if change is not None:
                    yield change

    def machines(self) -> list[Machine]:
        """List the machines that the service knows."""
        return self._send(exchange.machines())

    def load(self, name: str, content: bytes, format_: str = "auto", source: str = "") -> Loaded:
        """Load a recording of a machine, or facts as JSON lines, under a name. What was known under it is replaced."""
        return self._send(exchange.load(name, content, format_, source))

    def drop(self, name: str) -> None:
        """Drop a machine, and all that is known of it."""
        self._send(exchange.drop(name))

    def topology(self) -> dict[str, Any]:
        """Give the machine as a tree of objects: `type`, `id`, `attributes`, `children`."""
        return self._send(exchange.topology())

    def topology_as(self, format_: str) -> str:
        """Give the machine as `text`, as a picture (`svg`), as a graph (`dot`), or as a file for hwloc's tools (`hwloc-xml`)."""
        return self._send(exchange.topology_as(format_))

    def place(
        self,
        dispatchers: int,
        traffic: Sequence[Sequence[int]],
        *,
        cores: Sequence[int] | None = None,
        avoid: Sequence[int] = (),
        max_per_core: int = 1,
        constraints: Sequence[Mapping[str, Any]] = (),
        prefer: Mapping[int, int] | None = None,
        current: Sequence[int | None] | None = None,
        move_price: int = 0,
        names: Sequence[str] | None = None,
        emit: Sequence[str] = (),
        seconds: float = 2.0,
    ) -> Placement:
        """Ask for cores for dispatchers. `traffic[a][b]`: messages from a to b. The service may take `seconds` for a better answer.

        `constraints` must hold: `{"type": "same", "dispatchers": [0, 1], "part": "node"}`, and so on. `prefer` names cores that they
        would like; the answer says why one was not taken. With `current`, where they are now, leaving a core costs `move_price`, in ps
        times messages. `emit`: forms in which other tools take it (`taskset`, `numactl`, `rankfile`, `slurm`, `systemd`, `cpuset`), which
        call the dispatchers by their `names`. Raises InvalidRequest, with the `conflict` in its document, if no placement is possible.
        """
        return self._send(
            placement.place(
                dispatchers,
                traffic,
                cores,
                avoid,
                max_per_core,
                constraints,
                prefer or {},
                current,
                move_price,
                names,
                emit,
                seconds,
            )
        )

    def tree(
        self,
        root: int | None = None,
        *,
        cores: Sequence[int] | None = None,
        roots: Sequence[int] | None = None,
        weights: Sequence[int] | None = None,
        relays: Sequence[int] | None = None,
        max_degree: int | None = None,
        max_depth: int | None = None,
        reduce: bool = False,
        shape: str | None = None,
        seconds: float = 2.0,
    ) -> Tree:
        """Ask for a broadcast tree from a core to `cores`, or to all that are online; with `reduce`, for one that gathers.

        `roots` instead of `root`: one tree for all of them, by the worst cost, or the sum of `weights` times cost. `relays` may
        forward without being among `cores`. A core has `max_degree` children at most, and `max_depth` messages lie between it and
        the root. `shape` asks for a classic one: star, binomial, fibonacci, spanning, cluster or adaptive.
        """
        options = {
            "roots": roots,
            "weights": weights,
            "relays": relays,
            "max_degree": max_degree,
            "max_depth": max_depth,
            "reduce": reduce or None,
            "shape": shape,
        }
        return self._send(exchange.tree(root, cores, seconds, options))

    def routes(
        self,
        max_neighbours: int,
        *,
        cores: Sequence[int] | None = None,
        traffic: Sequence[Sequence[int]] | None = None,
        seconds: float = 2.0,
    ) -> Routes:
        """Ask for channels between `cores`, or all that are online, so many at each, and for the next hop of every message.

        `traffic[a][b]`: messages from the a-th to the b-th of `cores`; without it, every pair counts alike.
        """
        return self._send(exchange.routes(max_neighbours, cores, traffic, seconds))

    def pci_plan(
        self,
        devices: Mapping[str, Any] | None = None,
        *,
        windows: Sequence[Mapping[str, Any]] | None = None,
        reserved: Sequence[Mapping[str, Any]] = (),
        keep: Sequence[str] = (),
        headroom: Mapping[str, int] | None = None,
        headroom_of: Mapping[str, Mapping[str, int]] | None = None,
        leave_out: Sequence[str] = (),
        spaces: Sequence[str] = ("memory", "io"),
        share: bool = False,
        seconds: float = 5.0,
    ) -> PciPlan:
        """Ask for base addresses for the machine's PCI functions, or for `devices`, as the API describes them.

        `windows` of root bridges go before those known, `reserved` ranges are left alone too, functions in `keep` stay where they are.
        `headroom` (bytes of memory, prefetchable, io) is kept free behind each bridge with hot-plug, `headroom_of` behind single ones.
        Of the machine's, `rom` and `vf` may be left out: expansion ROMs, and what virtual functions need.
        """
        return self._send(
            pci.pci_plan(
                devices,
                windows,
                reserved,
                keep,
                headroom,
                headroom_of,
                leave_out,
                spaces,
                share=share,
                seconds=seconds,
            )
        )

    def optimize(
        self,
        model: str | Sequence[Any] | None = None,
        objective: str | Mapping[str, Any] | None = None,
        *,
        goal: str | None = None,
        params: Mapping[str, Any] | None = None,
        seconds: float | None = None,
        backend: str | None = None,
        hint: Mapping[str, int] | None = None,
        all_optimal: int | None = None,
        explain_infeasible: bool | None = None,
        workers: int | None = None,
        seed: int | None = None,
    ) -> Optimum:
        """Solve a model: a list of terms in JSON form, or Prolog text of one; or that which a goal binds Model to.

        `objective` is minimize(Expression), maximize(Expression) or satisfy, in the same ways. `hint` has values to look at first, like
        the `values` of an earlier answer. Options that are None are as the goal says, or the service's own.
        """
        options = {
            "seconds": seconds,
            "backend": backend,
            "hint": hint,
            "all_optimal": all_optimal,
            "explain_infeasible": explain_infeasible,
            "workers": workers,
            "seed": seed,
        }
        return self._send(optimization.optimize(model, objective, goal, params, options))

    def queries(self) -> list[DeclaredQuery]:
        """List the queries that rules declare."""
        return self._send(rules.queries())

    def ask(
        self, name: str, params: dict[str, Any] | None = None, limit: int | None = None, timeout_ms: int | None = None
    ) -> Answer:
        """Ask a declared query. `params` are values by parameter; a PCI address may be written `0000:00:1f.3`."""
        return self._send(rules.ask(name, params or {}, limit, timeout_ms))

    def rule_modules(self) -> list[RuleModule]:
        """List the modules of rules: those of the installation, and those that were taught."""
        return self._send(rules.modules())

    def rules(self, module: str, version: int | None = None) -> Rules:
        """Give a module: its text, its tests, and which versions there are."""
        return self._send(rules.module(module, version))

    def check_rules(self, module: str, text: str | None = None) -> RulesChecked:
        """Look at a text as a module, without teaching it; at the current version without one."""
        return self._send(rules.check(module, text))

    def test_rules(
        self, module: str, text: str | None = None, tests: str | None = None, timeout_ms: int = 60_000
    ) -> RulesTested:
        """Run the tests of a module, without teaching it."""
        return self._send(rules.test(module, text, tests, timeout_ms))

    def push_rules(
        self,
        module: str,
        text: str,
        tests: str = "",
        *,
        if_version: int | None = None,
        untested: bool = False,
        timeout_ms: int = 60_000,
    ) -> RulesPushed:
        """Have a module answer from now on, if it is well and its tests pass; else the problem's `document` says what is wrong.

        With `if_version`, only if that is the current version; 0: only if there is no such module.
        """
        return self._send(rules.push(module, text, tests, if_version, untested=untested, timeout_ms=timeout_ms))

    def rollback_rules(self, module: str) -> RulesRolledBack:
        """Return to the version of a module before the current one."""
        return self._send(rules.rollback(module))

    def remove_rules(self, module: str) -> None:
        """Have no such module any more. Its versions are kept."""
        self._send(rules.remove(module))


def _headers(what: Exchange[Any]) -> dict[str, str]:
    return {"Content-Type": "application/json"} if what.body is not None else {}
