"""A placement as other tools take it: command lines, files, maps.

Each form follows its tool's own manual: taskset(1), numactl(8), Open MPI's mpirun (rankfile, which counts processing units in the order of
hwloc), Slurm's srun (`--cpu-bind=map_cpu`), systemd.exec(5) and cgroup v2 (`cpuset.cpus`). COMMAND stands for what is to run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from skb.errors import InvalidRequest


@dataclass(frozen=True)
class Placed:
    """Dispatchers by name, the core of each, the node of each core's memory (None where unknown), and cores in hwloc's order."""

    names: Sequence[str]
    cores: Sequence[int]
    nodes: Sequence[int | None]
    order: Sequence[int]


def commands(placed: Placed, form: str) -> str:
    """Write a placement in one form. Raises InvalidRequest where the form cannot say it."""
    return _FORMS[form](placed) + "\n"


def _taskset(placed: Placed) -> str:
    return "\n".join(
        f"taskset --cpu-list {core} COMMAND  # {name}" for name, core in zip(placed.names, placed.cores, strict=True)
    )


def _numactl(placed: Placed) -> str:
    return "\n".join(
        f"numactl --physcpubind={core}{'' if node is None else f' --membind={node}'} COMMAND  # {name}"
        for name, core, node in zip(placed.names, placed.cores, placed.nodes, strict=True)
    )


def _rankfile(placed: Placed) -> str:
    number = {core: index for index, core in enumerate(placed.order)}
    lines = ["# mpirun --map-by rankfile:file=THIS_FILE --bind-to hwthread --use-hwthread-cpus COMMAND"]
    for rank, core in enumerate(placed.cores):
        if core not in number:
            raise InvalidRequest(
                f"a rankfile cannot name core {core}, which hwloc does not count: it is not an online core"
            )
        lines.append(f"rank {rank}=localhost slot={number[core]}")
    return "\n".join(lines)


def _slurm(placed: Placed) -> str:
    cores = ",".join(map(str, placed.cores))
    return f"srun --exclusive --ntasks={len(placed.cores)} --cpu-bind=map_cpu:{cores} COMMAND"


def _systemd(placed: Placed) -> str:
    units = []
    for name, core, node in zip(placed.names, placed.cores, placed.nodes, strict=True):
        memory = "" if node is None else f"\nNUMAPolicy=bind\nNUMAMask={node}"
        units.append(f"# {name}\n[Service]\nCPUAffinity={core}{memory}")
    return "\n\n".join(units)


def _cpuset(placed: Placed) -> str:
    root = "/sys/fs/cgroup/placement"
    lines = [f"mkdir -p {root}", f"echo +cpuset > {root}/cgroup.subtree_control"]
    for index, (name, core, node) in enumerate(zip(placed.names, placed.cores, placed.nodes, strict=True)):
        lines += [f"mkdir -p {root}/{index}  # {name}", f"echo {core} > {root}/{index}/cpuset.cpus"]
        if node is not None:
            lines.append(f"echo {node} > {root}/{index}/cpuset.mems")
    return "\n".join(lines)


_FORMS: dict[str, Callable[[Placed], str]] = {
    "taskset": _taskset,
    "numactl": _numactl,
    "rankfile": _rankfile,
    "slurm": _slurm,
    "systemd": _systemd,
    "cpuset": _cpuset,
}
