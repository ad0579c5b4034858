"""Trees and routes over HTTP: what is asked for is what comes, over the cores of the machine."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest
from service_process import Service

from skb.client import AsyncClient, Client, InvalidRequest

CORES = (2, 3, 5, 7, 11, 13, 17, 19)
SEND, RECEIVE = 100, 400


def cost(a: int, b: int) -> int:
    return 1 if (a < 8) == (b < 8) else 3


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with Service(tmp_path_factory.mktemp("trees")) as service, service.client() as found:
        facts = [{"name": "core", "args": [core, core, 1]} for core in CORES]
        facts += [{"name": "numa_core", "args": [int(core > 8), core]} for core in CORES]
        facts += [
            {"name": "message_cost", "args": [a, b, SEND * cost(a, b), RECEIVE * cost(a, b)]}
            for a, b in itertools.permutations(CORES, 2)
        ]
        found.update(facts)
        yield found


def told(children: dict[int, list[int]], root: int) -> dict[int, int]:
    times, waiting = {root: 0}, [root]
    for core in waiting:
        now = times[core]
        for child in children[core]:
            now += SEND * cost(core, child)
            times[child] = now + RECEIVE * cost(core, child)
            waiting.append(child)
    return times


def heard(children: dict[int, list[int]], core: int) -> int:
    now = 0
    for child in children[core]:
        now = max(now, heard(children, child) + SEND * cost(core, child)) + RECEIVE * cost(core, child)
    return now


def test_a_tree_reaches_the_members_and_no_others(client: Client) -> None:
    found = client.tree(5, cores=[2, 5, 19, 17])
    times = told(found.children, 5)
    assert sorted(times) == [2, 5, 17, 19]
    assert (max(times.values()), found.status, found.costs) == (found.cost_ps, "optimal", "measured")
    assert found.cost_ps <= min(found.shapes.values())
    assert set(found.shapes) == {"star", "binomial", "fibonacci", "spanning", "cluster", "adaptive"}


def test_limits_are_kept(client: Client) -> None:
    found = client.tree(5, max_degree=1)
    assert max(map(len, found.children.values())) == 1
    assert max(told(found.children, 5).values()) == found.cost_ps
    star = client.tree(5, max_depth=1)
    assert len(star.children[5]) == len(CORES) - 1


def test_a_relay_takes_part_where_it_helps(client: Client) -> None:
    client.update([{"name": "message_cost", "args": [7, core, 1, 1]} for core in (13, 17, 19)])
    alone = client.tree(2, cores=[2, 13, 17, 19])
    found = client.tree(2, cores=[2, 13, 17, 19], relays=[7])
    assert found.cost_ps < alone.cost_ps
    assert 7 in found.children[2]
    client.update([{"name": "message_cost", "args": [7, core, 300, 1200]} for core in (13, 17, 19)])


def test_a_reduction_gathers_in_the_order_given(client: Client) -> None:
    found = client.tree(5, reduce=True)
    assert heard(found.children, 5) == found.cost_ps
    assert found.status == "optimal"


def test_several_roots_share_one_tree(client: Client) -> None:
    found = client.tree(roots=[2, 19], weights=[3, 1])
    shapes = {
        frozenset(frozenset((core, child)) for core, served in seen.children.items() for child in served)
        for seen in found.by_root.values()
    }
    assert len(shapes) == 1
    assert found.cost_ps == 3 * found.by_root[2].cost_ps + found.by_root[19].cost_ps
    for root, seen in found.by_root.items():
        assert max(told(seen.children, root).values()) == seen.cost_ps
    assert found.children == found.by_root[2].children


def test_a_shape_can_be_asked_for_and_nodes_are_the_machines(client: Client) -> None:
    star = client.tree(2, shape="star")
    assert len(star.children[2]) == len(CORES) - 1
    crossing = [
        (a, b) for a, served in client.tree(2, shape="cluster").children.items() for b in served if (a < 8) != (b < 8)
    ]
    assert len(crossing) == 1


def test_routes_lead_everywhere_within_the_limit(client: Client) -> None:
    found = client.routes(2)
    around = {core: {b if a == core else a for a, b in found.channels if core in (a, b)} for core in CORES}
    assert max(map(len, around.values())) <= 2
    total = 0
    costs = {}
    for start, end in itertools.permutations(CORES, 2):
        passed = [start]
        while passed[-1] != end:
            hop = found.next_hop[passed[-1]][end]
            assert hop in around[passed[-1]]
            assert hop not in passed
            passed.append(hop)
        costs[start, end] = sum((SEND + RECEIVE) * cost(a, b) for a, b in itertools.pairwise(passed))
        total += costs[start, end]
    assert (total, found.distances) == (found.cost, "measured")
    assert found.worst.cost_ps == max(costs.values())
    assert found.bound <= found.cost


def test_traffic_is_in_the_order_of_the_cores(client: Client) -> None:
    cores = [19, 2, 13, 5, 17, 3]
    traffic = [[0] * 6 for _ in cores]
    traffic[0][1] = traffic[2][3] = traffic[4][5] = 100
    found = client.routes(2, cores=cores, traffic=traffic)
    assert {frozenset(pair) for pair in found.channels} >= {frozenset((19, 2)), frozenset((13, 5)), frozenset((17, 3))}
    assert found.cost == 3 * 100 * 3 * (SEND + RECEIVE)


def test_both_clients_say_the_same(client: Client) -> None:
    async def both() -> tuple[int, int]:
        async with AsyncClient(str(client._http.base_url)) as other:
            return (await other.tree(roots=[2, 19])).cost_ps, (await other.routes(7)).cost

    assert asyncio.run(both()) == (client.tree(roots=[2, 19]).cost_ps, client.routes(7).cost)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"root": 4}, "the root 4 is not among the cores"),
        ({"root": 2, "cores": [2, 99]}, "no core 99 is known"),
        ({"root": 2, "cores": [3, 5]}, "the root 2 is not among the cores [3, 5]"),
        ({"root": 2, "relays": [99]}, "no core 99 is known"),
        ({"root": 2, "relays": [3]}, "relays names core 3, which is a member"),
        ({"root": 2, "max_degree": 0}, "max_degree"),
        ({"root": 2, "max_degree": 2, "max_depth": 2}, "max_degree 2 and max_depth 2 let a tree have 7 cores"),
        ({"root": 2, "shape": "star", "max_degree": 3}, "core 2 has 7 children, and max_degree is 3"),
        ({"root": 2, "shape": "bush"}, "shape"),
        ({}, "name one core as root, or several as roots"),
        ({"root": 2, "roots": [3]}, "name one core as root, or several as roots"),
        ({"root": 2, "weights": [3]}, "weights go with roots"),
        ({"roots": [2, 3], "weights": [3]}, "an integer from 1 for each of the 2 roots"),
        ({"roots": [2, 2]}, "roots names a core more than once"),
    ],
)
def test_nonsense_gets_one_problem_that_names_the_constraint(
    client: Client, body: dict[str, object], words: str
) -> None:
    response = client._http.post("/v1/tree", json=body)
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
    assert words in response.text


def test_routes_that_cannot_be_are_refused(client: Client) -> None:
    with pytest.raises(InvalidRequest, match="8 cores stay apart in pairs"):
        client.routes(1)
    with pytest.raises(InvalidRequest, match="traffic must have 8 rows of 8 numbers"):
        client.routes(2, traffic=[[1]])
    with pytest.raises(InvalidRequest, match="max_neighbours"):
        client.routes(0)
