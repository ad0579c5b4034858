"""A multikernel, booted for real: kernels, monitors over a tree, applications, deaths."""

import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from multikernel.boot import Multikernel
from multikernel.cores import plan
from multikernel.dispatcher import Dispatcher
from multikernel.errors import BootError, DispatcherFailed, KernelDied, RequestFailed
from multikernel.link import LONGEST

KERNELS = 4
HERE = f"{__name__}:"


@pytest.fixture(scope="module", autouse=True)
def applications_are_importable() -> Iterator[None]:
    """Kernels import this file by its name: they need its folder on their path."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(Path(__file__).parent), before]))
    yield
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="module")
def multikernel(applications_are_importable: None) -> Iterator[Multikernel]:
    with Multikernel.boot(plan(KERNELS)) as booted:
        yield booted


def chain(cores: list[int]) -> dict[int, list[int]]:
    return {a: [b] for a, b in itertools.pairwise(cores)}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


# Applications.


def ring(me: Dispatcher, laps: int) -> int:
    """Pass a number round; everyone adds one."""
    number = 0
    for lap in range(laps):
        if me.index == 0:
            me.send(1 % me.size, str(number + 1).encode())
            number = int(me.receive()[1])
        else:
            number = int(me.receive()[1]) + 1
            me.send((me.index + 1) % me.size, str(number).encode())
        del lap
    return number


def shout(me: Dispatcher, times: int) -> list[list[object]]:
    """Broadcast, and list what came in which order."""
    heard: list[list[object]] = []
    me.on_delivery(lambda origin, payload: heard.append([origin, payload.decode()]))
    for number in range(times):
        me.broadcast(b"%d" % number)
    me.barrier()
    return heard


def flood(me: Dispatcher, messages: int, length: int) -> int:
    """Everyone sends everyone far more than the channels hold, before anyone reads."""
    for number in range(messages):
        for to in range(me.size):
            me.send(to, number.to_bytes(4, "little") * (length // 4))
    last = [-1] * me.size
    for _ in range(messages * me.size):
        sender, data = me.receive()
        number = int.from_bytes(data[:4], "little")
        assert number == last[sender] + 1
        assert data == number.to_bytes(4, "little") * (length // 4)
        last[sender] = number
    return sum(last)


def fail_on_one(me: Dispatcher) -> None:
    if me.index == 1:
        raise ZeroDivisionError("on purpose")
    me.receive()


def sleep_long(me: Dispatcher) -> None:
    me.sleep(60)


def nap(me: Dispatcher, seconds: float) -> bool:
    began = time.monotonic()
    me.sleep(seconds)
    return time.monotonic() - began >= seconds


def where(me: Dispatcher) -> list[int]:
    return [me.core, *sorted(os.sched_getaffinity(0))]


def send_nowhere(me: Dispatcher) -> str:
    try:
        me.send(me.size, b"")
    except ValueError as error:
        return str(error)
    return ""


def too_long(me: Dispatcher) -> list[str]:
    errors = []
    for call in (lambda: me.send(0, bytes(LONGEST + 1)), lambda: me.broadcast(bytes(LONGEST + 1))):
        try:
            call()
        except ValueError as error:
            errors.append(str(error))
    me.broadcast(bytes(LONGEST))
    me.barrier()
    return errors


def too_much(me: Dispatcher) -> bytes:
    return bytes(LONGEST)


def unsendable(me: Dispatcher) -> object:
    return object()


# Tests.


def test_kernels_are_pinned_to_their_hosts(multikernel: Multikernel) -> None:
    for kernel in multikernel.kernels:
        assert os.sched_getaffinity(multikernel.processes()[kernel.core]) == {kernel.host}


def test_monitors_follow_the_tree_they_were_given(multikernel: Multikernel) -> None:
    cores = multikernel.cores
    multikernel.route(cores[0], chain(cores))
    times = multikernel.time_broadcasts(cores[0], rounds=5)
    assert times.parents == {child: (parent,) for parent, child in itertools.pairwise(cores)}
    assert len(times.completion_ns) == 5
    multikernel.barrier()


def test_a_tree_that_leaves_out_a_core_is_refused(multikernel: Multikernel) -> None:
    with pytest.raises(ValueError, match="spans cores"):
        multikernel.route(multikernel.cores[0], {})


def test_costs_are_measured_between_all_pairs(multikernel: Multikernel) -> None:
    seen: list[tuple[int, int]] = []
    costs = multikernel.measure(slices=2, progress=lambda done, total: seen.append((done, total)))
    assert set(costs) == {(a, b) for a in multikernel.cores for b in multikernel.cores if a != b}
    assert seen[-1] == (3 * len(costs), 3 * len(costs)), "each pair has a slice that warms up and two that count"
    for cost in costs.values():
        assert 0 < cost.sending.min <= cost.sending.avg <= cost.sending.max
        assert cost.sending.min <= cost.sending.median <= cost.sending.max
        assert cost.one_way == cost.sending.median // 2
        assert cost.sending.stream > 0
        assert cost.measured_for > 0
        assert cost.sending.send > 0
        assert cost.receive > 0
        assert cost.sending.samples > 0


def test_messages_go_round_the_dispatchers(multikernel: Multikernel) -> None:
    cores = multikernel.cores
    application = multikernel.spawn(HERE + "ring", cores=cores, root=0, children=chain(cores), arguments=[20])
    assert application.wait(30) == [20 * KERNELS, *(19 * KERNELS + index + 1 for index in range(1, KERNELS))]


def test_all_dispatchers_hear_all_broadcasts_in_one_order(multikernel: Multikernel) -> None:
    cores = [*multikernel.cores, multikernel.cores[0]]  # two dispatchers share a core
    application = multikernel.spawn(
        HERE + "shout",
        cores=cores,
        root=2,
        children={cores[2]: [cores[0], cores[1]], cores[0]: [cores[3]]},
        arguments=[10],
    )
    logs = application.wait(30)
    assert all(log == logs[0] for log in logs)
    assert len(logs[0]) == 10 * len(cores)


def test_a_flood_blocks_nobody_and_loses_nothing(multikernel: Multikernel) -> None:
    cores = multikernel.cores
    application = multikernel.spawn(HERE + "flood", cores=cores, root=0, children=chain(cores), arguments=[300, 400])
    assert application.wait(60) == [299 * KERNELS] * KERNELS


def test_several_applications_run_at_once(multikernel: Multikernel) -> None:
    cores = multikernel.cores[:2]
    first = multikernel.spawn(HERE + "ring", cores=cores, root=0, children=chain(cores), arguments=[50])
    second = multikernel.spawn(HERE + "ring", cores=cores, root=0, children=chain(cores), arguments=[70])
    assert second.wait(30)[0] == 140
    assert first.wait(30)[0] == 100


def test_dispatchers_run_on_the_core_they_were_placed_on(multikernel: Multikernel) -> None:
    application = multikernel.spawn(HERE + "where", cores=multikernel.cores, root=0, children=chain(multikernel.cores))
    assert application.wait(30) == [[kernel.core, kernel.host] for kernel in multikernel.kernels]


def test_sleep_lasts_at_least_as_long_as_asked(multikernel: Multikernel) -> None:
    core = multikernel.cores[-1]
    assert multikernel.spawn(HERE + "nap", cores=[core], root=0, children={}, arguments=[0.05]).wait(30) == [True]


def test_a_failing_dispatcher_is_reported_with_its_traceback(multikernel: Multikernel) -> None:
    cores = multikernel.cores[:2]
    application = multikernel.spawn(HERE + "fail_on_one", cores=cores, root=0, children=chain(cores))
    with pytest.raises(DispatcherFailed, match=r"(?s)dispatcher 1 failed.*ZeroDivisionError: on purpose"):
        application.wait(30)


@pytest.mark.parametrize(("entry", "words"), [("no_such_function", "no function"), ("", "no function")])
def test_an_application_that_is_not_there_is_refused(multikernel: Multikernel, entry: str, words: str) -> None:
    core = multikernel.cores[0]
    with pytest.raises(RequestFailed, match=words):
        multikernel.spawn(HERE + entry, cores=[core], root=0, children={})


def test_sending_to_nobody_is_refused(multikernel: Multikernel) -> None:
    core = multikernel.cores[0]
    application = multikernel.spawn(HERE + "send_nowhere", cores=[core], root=0, children={})
    assert "there is no dispatcher 1" in application.wait(30)[0]


def test_a_result_that_cannot_be_sent_is_an_error(multikernel: Multikernel) -> None:
    core = multikernel.cores[0]
    application = multikernel.spawn(HERE + "unsendable", cores=[core], root=0, children={})
    with pytest.raises(DispatcherFailed, match="cannot be sent"):
        application.wait(30)


def test_what_is_too_long_for_a_message_is_refused_and_harms_nobody(multikernel: Multikernel) -> None:
    cores = multikernel.cores
    application = multikernel.spawn(HERE + "too_long", cores=cores, root=0, children=chain(cores))
    for errors in application.wait(30):
        assert len(errors) == 2
        assert all("too many for one message" in error for error in errors)


def test_a_result_that_is_too_long_is_an_error(multikernel: Multikernel) -> None:
    application = multikernel.spawn(HERE + "too_much", cores=multikernel.cores[:1], root=0, children={})
    with pytest.raises(DispatcherFailed, match="return less"):
        application.wait(30)


def test_arguments_that_are_too_long_are_refused(multikernel: Multikernel) -> None:
    with pytest.raises(ValueError, match="bytes of arguments"):
        multikernel.spawn(HERE + "where", cores=multikernel.cores[:1], root=0, children={}, arguments=["x" * LONGEST])


def test_an_idle_multikernel_uses_no_cpu(multikernel: Multikernel) -> None:
    def ticks() -> int:
        stats = [
            Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in multikernel.processes().values()
        ]
        return sum(int(stat[11]) + int(stat[12]) for stat in stats)

    time.sleep(0.2)
    before = ticks()
    time.sleep(1.0)
    assert ticks() - before <= 5 * KERNELS  # hundredths of a second, of KERNELS seconds


def test_a_killed_kernel_is_noticed_by_whoever_waits() -> None:
    with Multikernel.boot(plan(3)) as booted:
        cores = booted.cores
        pids = booted.processes()
        application = booted.spawn(HERE + "sleep_long", cores=cores, root=0, children=chain(cores))
        os.kill(pids[cores[1]], signal.SIGKILL)
        with pytest.raises(KernelDied, match=f"kernel of core {cores[1]} died: killed by SIGKILL"):
            application.wait(30)
    assert not any(alive(pid) for pid in pids.values())


def test_a_kernel_that_cannot_start_is_a_boot_error(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("multikernel.boot.sys.executable", "/bin/false")
    with pytest.raises(BootError, match=r"did not come up.*exited with status 1"):
        Multikernel.boot(plan(2))


def test_shutdown_leaves_no_process() -> None:
    with Multikernel.boot(plan(3)) as booted:
        pids = booted.processes()
        assert all(alive(pid) for pid in pids.values())
    assert not any(alive(pid) for pid in pids.values())
