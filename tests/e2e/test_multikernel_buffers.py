"""The runtime asks a real SKB for the rings of its channels, and does without where there is no answer."""

from collections.abc import Iterator
from typing import Any

import pytest
from service_process import Service

from multikernel.buffers import ask, usable_nodes
from multikernel.cores import KernelPlan
from skb.client import Client

CORES = range(4)


def fact(name: str, *arguments: Any) -> dict[str, Any]:
    return {"name": name, "args": list(arguments)}


FACTS = [
    *(fact("core", core, core, 1) for core in CORES),
    *(fact("numa_core", core // 2, core) for core in CORES),
    *(fact("numa_node", node, 1 << 30) for node in (0, 1)),
]


def kernels(*cores: int) -> list[KernelPlan]:
    return [KernelPlan(core, core, shares=False) for core in cores]


@pytest.fixture
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with Service(tmp_path_factory.mktemp("skb")) as service, service.client() as client:
        client.update(FACTS)
        yield client


def test_every_ring_between_kernels_is_decided(client: Client) -> None:
    usable = usable_nodes()
    decided = ask(client, kernels(0, 3, 1))
    assert {(ring.sender, ring.receiver) for ring in decided} == {(0, 3), (0, 1), (3, 0), (3, 1), (1, 0), (1, 3)}
    for ring in decided:
        node = ring.receiver // 2
        assert ring.node == (node if node in usable else None)  # the SKB may know more nodes than there are here
        assert (ring.lines, ring.page_size, ring.source) == (128, None, "default")

    client.update(
        [fact("message_rtt", a, b, 50_000_000, 1, 1, 1) for a in (0, 3) for b in (0, 3) if a != b]
        + [fact("message_cost", a, b, 50_000, 100_000) for a in (0, 3) for b in (0, 3) if a != b]
        + [fact("cache", core, 2, "unified", 1 << 20, 8, 64, 0) for core in CORES]
        + [fact("cache_shared", core, core) for core in CORES]
    )
    assert {(ring.lines, ring.source) for ring in ask(client, kernels(0, 3))} == {(1024, "measured")}

    virtual = [KernelPlan(0, 0, shares=True), KernelPlan(3, 3, shares=False), KernelPlan(9, 0, shares=True)]
    decided = ask(client, virtual)
    assert {(ring.sender, ring.receiver) for ring in decided} == {(0, 3), (3, 0), (9, 3), (3, 9)}
    assert {ring.lines for ring in decided} == {1024}  # as those of the thread that they share


def test_what_the_skb_cannot_say_stops_nothing(client: Client) -> None:
    assert ask(client, kernels(0, 77)) == ()  # cores that it does not know
    with Client("http://127.0.0.1:9", patience=0) as nobody:
        assert ask(nobody, kernels(0, 1)) == ()


def test_a_large_machine_is_answered_in_one_go(client: Client) -> None:
    cores = range(128)
    client.update([fact("core", core, core, 1) for core in cores if core not in CORES])
    client.update([fact("numa_core", core // 16 % 8, core) for core in cores if core not in CORES])
    client.update([fact("numa_node", node, 1 << 30) for node in range(2, 8)])
    assert len(ask(client, kernels(*cores))) == 128 * 127
