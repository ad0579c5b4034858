"""Boot, and what can be asked of a running multikernel.

    with Multikernel.boot(plan(8)) as multikernel:
        costs = multikernel.measure()
        multikernel.route(tree)
        application = multikernel.spawn("package.module:main", cores=[0, 1], children={0: [1]}, arguments=["hello"])
        results = application.wait()

The order: start a CPU driver on each core; measure; (tell the SKB and ask it, which is the caller's part);
bring up the monitors over the tree; spawn dispatchers where the SKB says. On leaving the context every process has ended.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Self

import msgspec

from multikernel import urpc
from multikernel.buffers import ChannelMemory, Ring
from multikernel.console import Console
from multikernel.cores import KernelPlan
from multikernel.errors import BootError, DispatcherFailed, KernelDied
from multikernel.kernel import Description, LinkEnds
from multikernel.link import CAPACITY, LONGEST, UrpcLink
from multikernel.measure import SLICES, Pair
from multikernel.messages import (
    Calibrate,
    Cost,
    Echo,
    Ended,
    Hello,
    Meet,
    Observation,
    Observe,
    Probe,
    Route,
    Shutdown,
    Spawn,
    Start,
    Taken,
)
from multikernel.protocols import tree

CONSOLE = -1
"""The console's number among the peers of a kernel."""

LONGEST_RING = 16_384
"""Lines that a channel carries at most in each direction."""

SPIN_NS = 20_000
"""How long a kernel with a core of its own spins before it sleeps; about what a sleep and a wake-up cost."""


class BroadcastTimes(msgspec.Struct, frozen=True):
    """What timed broadcasts over the monitors' tree showed.

    `completion_ns`: for each round, when the last monitor had it, from the moment the root began. `parents`: from whom each
    monitor but the root got its copies; this is the tree as it was followed, not as it was planned.
    """

    completion_ns: tuple[int, ...]
    parents: dict[int, tuple[int, ...]]


class Application:
    """An application that runs: dispatchers on the cores where they were placed."""

    def __init__(self, console: Console, number: int, size: int) -> None:
        self._console = console
        self._number = number
        self._size = size
        self._results: dict[int, Any] = {}

    def wait(self, timeout: float | None = None) -> list[Any]:
        """Wait until every dispatcher has ended. Returns their results, by index.

        Raises DispatcherFailed with the dispatcher's traceback as soon as one fails, KernelDied, TimeoutError.
        """
        self._console.wait(self._collect, timeout, "the application's end")
        return [self._results[index] for index in range(self._size)]

    def _collect(self) -> bool:
        mine: list[Ended] = [ended for ended in self._console.ended if ended.application == self._number]
        self._console.ended = [ended for ended in self._console.ended if ended.application != self._number]
        for ended in mine:
            if ended.error:
                raise DispatcherFailed(f"dispatcher {ended.index} failed:\n{ended.error.rstrip()}")
            self._results[ended.index] = msgspec.msgpack.decode(ended.result)
        return len(self._results) == self._size


class Multikernel:
    """A booted multikernel. Made by `boot`; a context manager that leaves nothing running."""

    def __init__(self, kernels: Sequence[KernelPlan], console: Console) -> None:
        self.kernels = tuple(kernels)
        self.channels: tuple[ChannelMemory, ...] = ()
        self._console = console
        self._applications = 0

    @classmethod
    def boot(cls, kernels: Sequence[KernelPlan], *, buffers: Sequence[Ring] = (), timeout: float = 30.0) -> Self:
        """Start one kernel process for each of `kernels`, with channels between all of them. Raises BootError.

        `buffers` says how rings of channels are wanted (`multikernel.buffers`); those that it does not name are as they come. What came of
        it stands in `channels`, one for every two kernels.
        """
        _raise_descriptor_limit(len(kernels))
        processes: dict[int, subprocess.Popen[bytes]] = {}
        try:
            with ExitStack() as resources:
                console, segments = _start(kernels, buffers, processes, resources)
            multikernel = cls(kernels, console)
        except OSError as error:
            _kill(processes.values())
            raise BootError(f"could not start {len(kernels)} kernels: {error}; try fewer with --cores") from error
        try:
            console.ask_all(Hello, timeout=timeout)
        except (KernelDied, TimeoutError) as error:
            multikernel.kill()
            raise BootError(f"the kernels did not come up: {error}") from error
        except BaseException:
            multikernel.kill()
            raise
        # Only now that kernels have touched what was left to them: asking where a page lies takes it.
        multikernel.channels = tuple(
            ChannelMemory(pair, segment.capacity, segment.nodes, segment.page_size)
            for pair, segment in segments.items()
            if CONSOLE not in pair
        )
        return multikernel

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.shutdown()
        else:
            self.kill()

    @property
    def cores(self) -> list[int]:
        """The numbers of the kernels."""
        return [kernel.core for kernel in self.kernels]

    def processes(self) -> dict[int, int]:
        """The process id of each kernel."""
        return {core: process.pid for core, process in self._console.processes.items()}

    def measure(
        self, *, slices: int = SLICES, progress: Callable[[int, int], None] = lambda _done, _all: None
    ) -> dict[tuple[int, int], Cost]:
        """Measure what messages cost between every two kernels, in both directions.

        All pairs are measured in turn, a slice of a millisecond or so each, and then again, up to `slices` times after a first that warms
        up; `measure.PAIR_NS` is what a pair may take in all. `progress(done, all)` is called after each slice.
        """
        self._console.ask_all(Calibrate)
        pairs = {(a, b): Pair(slices) for a in self.cores for b in self.cores if a != b}
        total = len(pairs) * (slices + 1)
        for done, ((sender, receiver), pair) in enumerate(list(pairs.items()) * (slices + 1), start=1):
            if (part := pair.next) is not None:
                start = time.monotonic_ns()
                measuring = self._console.expect(sender)
                receives = self._console.ask(receiver, Echo, sender, part, measuring, type_=list[int])
                taken = self._console.answer(measuring, Taken)
                pair.add(taken, receives, time.monotonic_ns() - start)
            progress(done, total)
        return {names: pair.cost() for names, pair in pairs.items()}

    def route(self, root: int, children: Mapping[int, Sequence[int]]) -> None:
        """Bring the monitors up over a tree of all cores; they are through a barrier over it when this returns."""
        places = tree.positions(root, children)
        if set(places) != set(self.cores):
            raise ValueError(f"the tree spans cores {sorted(places)}, and there are kernels on {sorted(self.cores)}")
        calls = [self._console.begin(core, Route, place) for core, place in places.items()]
        for call in calls:
            self._console.answer(call)
        self.barrier()

    def barrier(self) -> None:
        """Have all monitors meet at a barrier over their tree."""
        self._console.ask_all(Meet)

    def time_broadcasts(self, root: int, rounds: int) -> BroadcastTimes:
        """Time broadcasts from the root of the monitors' tree to all monitors, one after another."""
        self._console.ask(root, Probe, rounds)
        seen: dict[int, Observation] = self._console.ask_all(Observe, type_=Observation)
        completion = tuple(max(delays) for delays in zip(*(view.delays_ns for view in seen.values()), strict=True))
        return BroadcastTimes(completion, {core: view.heard_from for core, view in seen.items() if core != root})

    def spawn(
        self,
        entry: str,
        *,
        cores: Sequence[int],
        root: int,
        children: Mapping[int, Sequence[int]],
        arguments: Sequence[object] = (),
    ) -> Application:
        """Run an application: one dispatcher on each of `cores` (a core may be named twice).

        `entry` is `module:function`; it is called with the dispatcher and `arguments` (what MessagePack carries). `children` is a
        tree over those cores; broadcasts and barriers of the application follow it, with dispatcher `root` at its top.
        """
        self._applications += 1
        number = self._applications
        places = tree.grow(root, children, cores)
        data = msgspec.msgpack.encode(list(arguments))
        if len(data) + len(entry) + 8 * len(cores) > LONGEST:
            raise ValueError(
                f"{len(data)} bytes of arguments for {len(cores)} dispatchers; a message carries {LONGEST} in all. "
                "Pass less, or a name under which dispatchers find it"
            )
        calls = [
            self._console.begin(core, Spawn, number, places[index], entry, data, tuple(cores))
            for index, core in enumerate(cores)
        ]
        for call in calls:
            self._console.answer(call)
        for call in [self._console.begin(core, Start, number) for core in sorted(set(cores))]:
            self._console.answer(call)
        return Application(self._console, number, len(cores))

    def shutdown(self, timeout: float = 5.0) -> None:
        """Ask every kernel to stop and wait for their processes; those that do not stop in time are killed."""
        with suppress(KernelDied, TimeoutError):
            self._console.ask_all(Shutdown, timeout=timeout)
        deadline = time.monotonic() + timeout
        with suppress(subprocess.TimeoutExpired):
            for process in self._console.processes.values():
                process.wait(max(0.0, deadline - time.monotonic()))
        self.kill()

    def kill(self) -> None:
        """End every kernel now."""
        _kill(self._console.processes.values())
        self._console.close()


def _start(
    kernels: Sequence[KernelPlan],
    buffers: Sequence[Ring],
    processes: dict[int, subprocess.Popen[bytes]],
    resources: ExitStack,
) -> tuple[Console, dict[tuple[int, int], urpc.Segment]]:
    """Make the channels and start the kernels' processes, which inherit the ends that are theirs.

    Our own copies of descriptors are closed with `resources`; what kernels share lives on in their processes.
    """
    peers = [CONSOLE, *(kernel.core for kernel in kernels)]
    bells = {peer: resources.enter_context(urpc.Doorbell.create()) for peer in peers[1:]}
    bells[CONSOLE] = urpc.Doorbell.create(spin_ns=0)
    rings = {(ring.sender, ring.receiver): ring for ring in buffers}
    segments = {
        (a, b): resources.enter_context(_segment(a, b, rings)) for i, a in enumerate(peers) for b in peers[i + 1 :]
    }
    for kernel in kernels:
        ends = tuple(
            LinkEnds(
                peer,
                segments[min(peer, kernel.core), max(peer, kernel.core)].fd,
                int(kernel.core > peer),
                bells[peer].fd,
            )
            for peer in peers
            if peer != kernel.core
        )
        spin_ns = 0 if kernel.shares else SPIN_NS
        description = Description(kernel.core, kernel.host, os.getpid(), CONSOLE, bells[kernel.core].fd, spin_ns, ends)
        descriptors = {description.doorbell, *(end.segment for end in ends), *(end.doorbell for end in ends)}
        process = subprocess.Popen(
            [sys.executable, "-m", "multikernel.kernel", str(kernel.core)], stdin=subprocess.PIPE, pass_fds=descriptors
        )
        processes[kernel.core] = process
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it died at once; the console will say so
            process.stdin.write(msgspec.json.encode(description))
        with suppress(BrokenPipeError):
            process.stdin.close()
    links = {
        kernel.core: UrpcLink(
            kernel.core, urpc.Channel(segments[CONSOLE, kernel.core], 0, bells[CONSOLE], bells[kernel.core])
        )
        for kernel in kernels
    }
    return Console(bells[CONSOLE], links, processes), segments


def _segment(a: int, b: int, rings: Mapping[tuple[int, int], Ring]) -> urpc.Segment:
    """Make the memory of the channel between `a`, its side 0, and `b`. Both rings have lines enough for either, and pages of one size."""
    wanted = [rings.get((a, b)), rings.get((b, a))]
    known = [ring for ring in wanted if ring is not None]
    lines = max([CAPACITY, *(min(ring.lines, LONGEST_RING) for ring in known)])
    forth, back = (None if ring is None else ring.node for ring in wanted)
    page_size = max((ring.page_size for ring in known if ring.page_size), default=None)
    try:
        return urpc.Segment.create(1 << (lines - 1).bit_length(), nodes=(forth, back), page_size=page_size)
    except ValueError as error:
        raise BootError(f"no channel between kernels {a} and {b}: {error}; or boot without `buffers`") from error


def _raise_descriptor_limit(kernels: int) -> None:
    """A full mesh of channels takes a descriptor for each pair while it is built."""
    needed = (kernels + 1) * kernels // 2 + 4 * kernels + 64
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if needed > hard != resource.RLIM_INFINITY:
        raise BootError(
            f"{kernels} kernels need {needed} file descriptors and this process may have {hard}; "
            "boot fewer with --cores, or raise the limit (ulimit -Hn)"
        )
    if needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _kill(processes: Any) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()
