"""A machine, surveyed: every probe run on one source, and what only several of them together can say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from probes import processors
from probes.acpi import probe as acpi
from probes.cores import UNKNOWN
from probes.fact import Fact, Problem, Survey, Term, merge
from probes.kernel import devices, iomem, nodes
from probes.live import Live
from probes.pci import probe as pci
from probes.source import Source

__all__ = ["PROBES", "Problem", "Survey", "live", "survey"]


def survey(source: Source) -> Survey:
    """Run every probe on a source."""
    found = merge(probe(source) for probe in PROBES)
    domains = tuple(_node_domains(found.facts))
    return merge((found, Survey(domains, _numbered_otherwise(domains))))


def live() -> Source:
    """Return the machine this runs on."""
    return Live()


def _identity(source: Source) -> Survey:
    """Return machine/3, if anything at all is known of the machine."""
    nodename, machine, system = source.uname()
    if not machine and source.cpuid_cores():
        machine = "x86_64" if _has_long_mode(source) else "i686"
    if not (nodename or machine or system):
        return Survey()
    return Survey((Fact("machine", (nodename or source.name, machine or UNKNOWN, system or UNKNOWN)),))


def _has_long_mode(source: Source) -> bool:
    features = source.cpuid(source.cpuid_cores()[0], 0x80000001, 0)
    return features is not None and bool(features.edx >> 29 & 1)


def _nodes_and_firmware(source: Source) -> Survey:
    """Return what kernel and firmware say of nodes, with the distances of the SLIT where there is one.

    The kernel's distances are those of the SLIT, and placeholders where there is none.
    """
    kernel, firmware = nodes.probe(source), acpi.probe(source)
    if any(fact.name == "node_distance" for fact in firmware.facts):
        kernel = Survey(tuple(fact for fact in kernel.facts if fact.name != "node_distance"), kernel.problems)
    return merge((kernel, firmware))


PROBES: tuple[Callable[[Source], Survey], ...] = (
    _identity,
    processors.probe,
    _nodes_and_firmware,
    iomem.probe,
    pci.probe,
    devices.probe,
)
"""Every probe there is; each reads a source and yields facts and problems."""


def _node_domains(facts: tuple[Fact, ...]) -> Iterator[Fact]:
    """Yield node_domain: which proximity domain each node is, told by the processors that are in both."""
    rows: dict[str, list[tuple[Term, ...]]] = {}
    for fact in facts:
        rows.setdefault(fact.name, []).append(fact.args)
    apic_ids = {args[0]: args[1] for args in rows.get("core", ())}
    domains = {args[0]: args[1] for args in rows.get("cpu_affinity", ())}
    of_node: dict[Term, set[Term]] = {}
    for node, core in rows.get("numa_core", ()):
        domain = domains.get(apic_ids.get(core, UNKNOWN))
        if domain is not None:
            of_node.setdefault(node, set()).add(domain)
    for node, found in of_node.items():
        if len(found) == 1:
            yield Fact("node_domain", (node, *found))


def _numbered_otherwise(domains: Iterable[Fact]) -> tuple[Problem, ...]:
    if all(fact.args[0] == fact.args[1] for fact in domains):
        return ()
    return (
        Problem(
            "SRAT",
            "proximity domains are not numbered as the kernel numbers nodes",
            "go from node to domain through node_domain before using distances or affinities of the firmware",
        ),
    )
