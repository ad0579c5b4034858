"""Decoding nets against an interpreter that goes address by address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skb.engine.pool import Pool
from skb.engine.process import encode
from skb.errors import LimitExceeded

HIGHEST = 31
STEPS = 64

Net = dict[str, tuple[list[tuple[int, int]], list[tuple[int, int, str, int]], str | None]]
"""By node: ranges that it accepts; ranges that it translates, with the node and the address; its overlay."""


Solve = Callable[..., tuple[list[str], list[list[Any]]]]


@pytest.fixture(scope="module")
def solve() -> Iterator[Solve]:
    """Solve a goal in one engine: gives names and rows. Raises LimitExceeded."""

    async def empty(_: Pool) -> int:
        """There are no facts."""
        return 0

    pool = Pool(empty, 1)

    def ask(goal: str, **params: Any) -> tuple[list[str], list[list[Any]]]:
        pairs = [[name, value] for name, value in params.items()]
        request = encode({"f": "solve", "args": [{"string": goal}, pairs, 100_000, 0, 10**8, False]})
        (names, rows, _, _), _ = runner.run(pool.ask(request, seconds=60))
        return msgspec.json.decode(names), msgspec.json.decode(rows)

    with asyncio.Runner() as runner:
        yield ask
        runner.run(pool.close())


NAMES = ["a", "b", "c", "d"]


def ranges() -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(0, HIGHEST), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def nets() -> st.SearchStrategy[Net]:
    maps = st.tuples(ranges(), st.sampled_from(NAMES), st.integers(0, HIGHEST)).map(lambda m: (*m[0], m[1], m[2]))
    node = st.tuples(st.lists(ranges(), max_size=2), st.lists(maps, max_size=2), st.none() | st.sampled_from(NAMES))
    return st.fixed_dictionaries(dict.fromkeys(NAMES, node))


class Endless(Exception):
    """An address goes round."""


def naive(net: Net, node: str, address: int, steps: int = 0) -> set[tuple[str, int]]:
    """All that an address means."""
    if steps > STEPS:
        raise Endless
    accepts, maps, overlay = net[node]
    found = {(node, address) for low, high in accepts if low <= address <= high}
    taken = bool(found)
    for low, high, target, offset in maps:
        if low <= address <= high:
            taken = True
            found |= naive(net, target, offset + address - low, steps + 1)
    if not taken and overlay is not None:
        found |= naive(net, overlay, address, steps + 1)
    return found


def term(functor: str, *arguments: Any) -> dict[str, Any]:
    return {"f": functor, "args": list(arguments)}


def nodes(net: Net) -> list[Any]:
    return [
        term(
            "node",
            name,
            [term("range", *each) for each in accepts],
            [term("map", *each) for each in maps],
            "none" if overlay is None else term("overlay", overlay),
        )
        for name, (accepts, maps, overlay) in net.items()
    ]


@given(nets(), st.sampled_from(NAMES))
def test_an_address_means_what_a_step_by_step_reading_says(solve: Solve, net: Net, start: str) -> None:
    for address in range(HIGHEST + 14):
        goal = "net(Nodes, Net), findall([T, O], resolve(Net, Start, Address, T, O), Found), Net = _"
        try:
            expected = naive(net, start, address)
        except (Endless, RecursionError):
            with pytest.raises(LimitExceeded, match="decoding_steps"):
                solve(goal, Nodes=nodes(net), Start=start, Address=address)
            continue
        names, (row,) = solve(goal, Nodes=nodes(net), Start=start, Address=address)
        assert sorted(map(tuple, row[names.index("Found")])) == sorted(expected), (start, address)


@given(nets(), st.sampled_from(NAMES))
def test_views_are_all_that_addresses_mean(solve: Solve, net: Net, start: str) -> None:
    try:
        expected = {(address, *meaning) for address in range(200) for meaning in naive(net, start, address)}
    except (Endless, RecursionError):
        return
    try:
        names, (row,) = solve("net(Nodes, Net), views(Net, Start, Views), Net = _", Nodes=nodes(net), Start=start)
    except LimitExceeded:
        return  # an address beyond these goes round
    found = set()
    for view in row[names.index("Views")]:
        low, high, target, offset = view["args"]
        assert high < 200
        found |= {(address, target, offset + address - low) for address in range(low, high + 1)}
    assert found == expected
