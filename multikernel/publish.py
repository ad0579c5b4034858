"""What the runtime tells the SKB: what it measured, and what runs where. Plain facts, in the JSON form of the API."""

from collections.abc import Mapping, Sequence

from multikernel.cores import KernelPlan
from multikernel.messages import Cost

FactJson = dict[str, object]


def fact(name: str, *arguments: object) -> FactJson:
    """Give the JSON form of a fact."""
    return {"name": name, "args": list(arguments)}


def measured(costs: Mapping[tuple[int, int], Cost]) -> list[FactJson]:
    """Say what messages cost: `message_rtt/6` and `message_cost/4` for every pair."""
    facts = []
    for (sender, receiver), cost in costs.items():
        trip = cost.sending
        facts.append(fact("message_rtt", sender, receiver, trip.avg, trip.stddev, trip.min, trip.max))
        facts.append(fact("message_cost", sender, receiver, trip.send, cost.receive))
    return facts


def running(kernels: Sequence[KernelPlan]) -> list[FactJson]:
    """Say which kernels run, on which hardware threads, and which links join them."""
    facts = [fact("kernel", kernel.core, "running") for kernel in kernels]
    facts += [fact("virtual_core", kernel.core, kernel.host) for kernel in kernels if kernel.virtual]
    facts += [fact("link", a.core, b.core, "urpc") for a in kernels for b in kernels if a is not b]
    return facts


def dispatchers(application: str, cores: Sequence[int]) -> list[FactJson]:
    """Say where the dispatchers of an application are."""
    return [fact("dispatcher", application, index, core) for index, core in enumerate(cores)]


def stopped(kernels: Sequence[KernelPlan]) -> list[FactJson]:
    """List what is no longer true once the multikernel has ended: patterns to retract.

    Costs between cores of the machine stay known; those of virtual cores go with the kernels that they were.
    """
    anything: FactJson = {"var": "_"}
    patterns = [
        fact("kernel", anything, anything),
        fact("virtual_core", anything, anything),
        fact("link", anything, anything, anything),
        fact("dispatcher", anything, anything, anything),
    ]
    for kernel in kernels:
        if kernel.virtual:
            patterns.append(fact("message_rtt", kernel.core, *[anything] * 5))
            patterns.append(fact("message_rtt", anything, kernel.core, *[anything] * 4))
            patterns.append(fact("message_cost", kernel.core, *[anything] * 3))
            patterns.append(fact("message_cost", anything, kernel.core, anything, anything))
    return patterns
