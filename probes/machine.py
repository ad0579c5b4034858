"""A machine, surveyed: every probe run on one source, and what only several of them together can say.

Decoders are loaded for the subjects that are asked for, and after the one thing that there is to wait for has been started.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from probes.cores import UNKNOWN
from probes.fact import Fact, Problem, Survey, Term, merge
from probes.live import Live
from probes.source import Source

__all__ = ["SUBJECTS", "Survey", "live", "read", "survey"]


def survey(
    source: Source, subjects: Collection[str] | None = None, began: Callable[[str], object] = lambda _: None
) -> Survey:
    """Run the probes of some subjects, by default of all, on a source. Raises KeyError for a subject that there is not.

    `began` is called with the name of each subject when its turn comes.
    """
    chosen = SUBJECTS if subjects is None else {name: SUBJECTS[name] for name in subjects}
    beside = _Beside(_probe(AML), source) if any(AML in modules for modules in chosen.values()) else None
    found = {}
    for name, modules in reversed(list(chosen.items())):  # the tables' programs are run meanwhile, so ACPI comes late
        began(name)
        found[name] = tuple(beside.join() if beside and each == AML else _probe(each)(source) for each in modules)
    found = {name: found[name] for name in chosen}
    told = merge((_identity(source), *(part for parts in found.values() for part in parts)))
    domains = tuple(_node_domains(told.facts))
    distances, problems = _node_distances(merge(found.get("acpi", ())), merge(found.get("memory", ())), domains)
    others = (fact for fact in told.facts if fact.name != "node_distance")
    return Survey((*others, *distances, *domains), (*told.problems, *problems))


class _Beside:
    """A probe that runs beside the others: what it waits for is another program."""

    def __init__(self, probe: Callable[[Source], Survey], source: Source) -> None:
        self._told: Survey | BaseException = Survey()
        self._thread = threading.Thread(target=self._run, args=(probe, source), name="probes-beside", daemon=True)
        self._thread.start()

    def _run(self, probe: Callable[[Source], Survey], source: Source) -> None:
        try:
            self._told = probe(source)
        except BaseException as error:
            self._told = error

    def join(self) -> Survey:
        """Wait for it, and give what it found."""
        self._thread.join()
        if isinstance(self._told, BaseException):
            raise self._told
        return self._told


def read(
    path: Path,
    format_: str = "auto",
    subjects: Collection[str] | None = None,
    began: Callable[[str], object] = lambda _: None,
) -> Survey:
    """Survey what was recorded of a machine. Raises RecordingError, with place, cause and remedy, if nothing can be read."""
    from probes.recorded.formats import open_recording  # most surveys are of the live machine

    found = open_recording(path, format_)
    if isinstance(found, Survey):
        if subjects is None:
            return found
        by_another = Problem(
            str(path), "holds facts that another program found, not by subject", "all of them are given"
        )
        return Survey(found.facts, (*found.problems, by_another))
    told = survey(found.source, subjects, began)
    return Survey(told.facts, (*found.problems, *told.problems))


def open_source(path: Path) -> Source:
    """Open what was recorded of a machine as a source. Raises RecordingError, also for what is no source but conclusions."""
    from probes.recorded import RecordingError
    from probes.recorded.formats import open_recording

    found = open_recording(path)
    if isinstance(found, Survey):
        raise RecordingError(str(path), "holds what another program concluded", "give what the machine itself says")
    return found.source


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


AML = "probes.acpi.aml"

SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "cpuid": ("probes.processors",),
    "acpi": ("probes.acpi.probe", AML),
    "pci": ("probes.pci.probe",),
    "memory": ("probes.kernel.iomem", "probes.kernel.nodes"),
    "devices": ("probes.kernel.devices", "probes.kernel.gpus", "probes.kernel.interrupts"),
}
"""What can be asked for by name, and the modules whose `probe` answers. What firmware and kernel say of nodes is joined in `survey`."""


def _probe(module: str) -> Callable[[Source], Survey]:
    probe: Callable[[Source], Survey] = import_module(module).probe
    return probe


def _node_domains(facts: tuple[Fact, ...]) -> Iterator[Fact]:
    """Yield node_domain: which proximity domain each node is, told by the processors that are in both, or else by the memory."""
    rows: dict[str, list[tuple[Term, ...]]] = {}
    for fact in facts:
        rows.setdefault(fact.name, []).append(fact.args)
    apic_ids = {args[0]: args[1] for args in rows.get("core", ())}
    domains = {args[0]: args[1] for args in rows.get("cpu_affinity", ())}
    of_node: dict[Term, set[Term]] = {}
    told_by_cores = {node for node, _ in rows.get("numa_core", ())}
    for node, core in rows.get("numa_core", ()):
        domain = domains.get(apic_ids.get(core, UNKNOWN))
        if domain is not None:
            of_node.setdefault(node, set()).add(domain)
    for node, base, _ in rows.get("node_memory", ()):
        if node not in told_by_cores:
            of_node.setdefault(node, set()).update(_domain_of_memory(rows, base))
    for node, found in of_node.items():
        if len(found) == 1:
            yield Fact("node_domain", (node, *found))


def _domain_of_memory(rows: Mapping[str, Sequence[tuple[Term, ...]]], address: Term) -> Iterator[Term]:
    """Yield the domains that firmware says an address belongs to."""
    for base, size, domain, *_ in rows.get("memory_affinity", ()):
        if (
            isinstance(base, int)
            and isinstance(size, int)
            and isinstance(address, int)
            and base <= address < base + size
        ):
            yield domain


def _node_distances(
    firmware: Survey, kernel: Survey, domains: Collection[Fact]
) -> tuple[tuple[Fact, ...], tuple[Problem, ...]]:
    """Return the distances that count, and a problem if firmware and kernel number nodes differently.

    The SLIT counts: the kernel repeats it, and shows placeholders where there is none. But its numbers are those of
    proximity domains, and who reads distances has the numbers of nodes. Where the two differ, the kernel's count: they
    are the same distances by node.
    """
    by_domain, by_node = (
        tuple(fact for fact in found.facts if fact.name == "node_distance") for found in (firmware, kernel)
    )
    alike = all(fact.args[0] == fact.args[1] for fact in domains)
    if not by_node or (alike and {fact.args[0] for fact in by_domain} == {fact.args[0] for fact in by_node}):
        return by_domain, ()
    if not by_domain:
        return by_node, ()
    cause = "proximity domains are not numbered as the kernel numbers nodes"
    remedy = "distances are the kernel's; go through node_domain from a node to what SRAT says of its domain"
    return by_node, (Problem("SLIT", cause, remedy),)
