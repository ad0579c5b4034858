"""The main job through its command, as a user runs it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skb.client import Client, SkbUnreachable

COMMAND = [sys.executable, "-m", "multikernel", "demo"]
DEADLINE = 90


def children(pid: int) -> list[int]:
    """All descendants of a process."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found += [int(entry.name), *children(int(entry.name))]
    return found


def kernels(pid: int) -> dict[int, int]:
    """The kernels below a process: core -> process id."""
    found = {}
    for child in children(pid):
        try:
            arguments = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except FileNotFoundError:
            continue
        if b"multikernel.kernel" in arguments:
            found[int(arguments[arguments.index(b"multikernel.kernel") + 1])] = child
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(what: Any, seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.02)
    pytest.fail(f"waited {seconds:g} s in vain")


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """One run of the demo with more kernels than cores, as JSON."""
    done = subprocess.run(
        [*COMMAND, "--cores", "8", "--seconds", "0.5", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    """A demo that works for long; whatever it started is gone afterwards."""
    process = subprocess.Popen(
        [*COMMAND, "--cores", "3", "--seconds", "300"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_eight_kernels_agree_whatever_the_number_of_cores(result: dict[str, Any]) -> None:
    assert len(result["kernels"]) == 8
    store = result["store"]
    assert store["agreed"]
    assert len(store["state_digests"]) == 8
    assert store["writes"] > 0
    assert store["reads"] > 0


def test_the_tree_of_the_skb_spans_all_cores_and_was_followed(result: dict[str, Any]) -> None:
    tree = result["monitors_tree"]
    reached = [tree["root"], *(child for below in tree["children"].values() for child in below)]
    assert sorted(reached) == sorted(kernel["core"] for kernel in result["kernels"])
    assert tree["costs"] == "measured"
    assert 0 < tree["bound_ps"] <= tree["cost_ps"]
    assert result["broadcast"]["followed"]


def test_channels_have_the_memory_that_the_skb_decided_on(result: dict[str, Any]) -> None:
    buffers = result["buffers"]
    cores = sorted(kernel["core"] for kernel in result["kernels"])
    assert [channel["kernels"] for channel in buffers["channels"]] == [[a, b] for a in cores for b in cores if a < b]
    hosts = {kernel["core"]: kernel["host"] for kernel in result["kernels"]}
    apart = {(a, b) for a in cores for b in cores if hosts[a] != hosts[b]}
    decided = {(ring["sender"], ring["receiver"]): ring for ring in buffers["decided"]}
    assert set(decided) == apart
    for channel in buffers["channels"]:
        a, b = channel["kernels"]
        rings = [decided[pair] for pair in ((a, b), (b, a)) if pair in decided]
        assert channel["lines"] == max([128, *(ring["lines"] for ring in rings)])
        for ring, node in zip(rings, channel["nodes"], strict=False):
            assert ring["node"] is None or node in (None, ring["node"])


def test_the_placement_uses_each_kernel_once_and_measured_distances(result: dict[str, Any]) -> None:
    placement = result["placement"]
    assert sorted(placement["assignment"]) == sorted(kernel["core"] for kernel in result["kernels"])
    assert placement["distances"] == "measured"
    assert 0 <= placement["bound"] <= placement["cost"]


def test_cores_and_caches_agree_with_lscpu(result: dict[str, Any]) -> None:
    if shutil.which("lscpu") is None:
        pytest.skip("lscpu is not installed")
    parsed = subprocess.run(
        ["lscpu", "-p=CPU,CORE,SOCKET"], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    rows = [tuple(map(int, line.split(","))) for line in parsed.splitlines() if not line.startswith("#")]
    machine = result["machine"]
    assert machine["cores"] == len(rows)
    assert machine["physical_cores"] == len({(core, socket) for _, core, socket in rows})
    assert machine["packages"] == len({socket for _, _, socket in rows})
    said = json.loads(subprocess.run(["lscpu", "-J"], capture_output=True, text=True, check=True, timeout=30).stdout)
    fields = {row["field"].rstrip(":"): row["data"] for row in _flatten(said["lscpu"])}
    assert machine["processor"] == fields["Model name"]
    listed = subprocess.run(["lscpu", "-C", "-B", "-J"], capture_output=True, text=True, check=True, timeout=30).stdout
    expected = {
        (int(row["level"]), row["type"].lower()): (int(row["one-size"]), int(row["all-size"]) // int(row["one-size"]))
        for row in json.loads(listed)["caches"]
    }
    shown = {(cache["level"], cache["type"]): (cache["size"], cache["count"]) for cache in machine["caches"]}
    assert shown == expected


def _flatten(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield row
        yield from _flatten(row.get("children", []))


def test_pci_functions_agree_with_lspci(result: dict[str, Any]) -> None:
    if shutil.which("lspci") is None:
        pytest.skip("lspci is not installed (Debian: pciutils)")
    printed = subprocess.run(["lspci", "-nn", "-D"], capture_output=True, text=True, check=True, timeout=30).stdout
    expected = {
        (match[1], match[2], match[3])
        for match in re.finditer(
            r"^(\S+) .*?\[([0-9a-f]{4})\]: .*?\[([0-9a-f]{4}:[0-9a-f]{4})\]", printed, re.MULTILINE
        )
    }
    assert len(expected) == len(printed.splitlines())
    functions = result["machine"]["pci"]
    assert {(f["address"], f["class_code"], f"{f['vendor']}:{f['device']}") for f in functions} == expected


def test_acpi_tables_agree_with_acpidump(result: dict[str, Any]) -> None:
    if shutil.which("acpidump") is None:
        pytest.skip("acpidump is not installed (Debian: acpica-tools)")
    dumped = subprocess.run(["acpidump", "-s"], capture_output=True, text=True, check=False, timeout=30)
    if dumped.returncode != 0:
        pytest.skip(f"acpidump cannot read the tables here: {dumped.stderr.strip()}")
    lengths = {match[1]: int(match[2], 16) for match in re.finditer(r"ACPI: (\S+) 0x\S+ (\S{6})", dumped.stdout)}
    shown = result["machine"]["acpi"]
    assert shown
    for signature, length in shown.items():
        assert lengths[signature] == length


def test_nothing_is_left_behind(result: dict[str, Any]) -> None:
    leftovers = Counter()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if result["url"].rsplit(":", 1)[-1].encode() in line:
            leftovers[line] += 1
    assert not leftovers


def test_a_human_sees_what_was_decided(tmp_path: Path) -> None:
    before = set(Path("/dev/shm").iterdir())
    data = tmp_path / "facts"
    done = subprocess.run(
        [*COMMAND, "--cores", "2", "--seconds", "0.3", "--data", str(data)],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
        env={**os.environ, "COLUMNS": "140"},
    )
    assert done.returncode == 0, done.stderr
    for words in (
        "processor",
        "Round trip",
        "Placement",
        "Broadcast tree",
        "status",
        "bound",
        "replicas agree",
        str(data),
    ):
        assert words in done.stdout
    assert data.exists()
    assert not {
        name for name in set(Path("/dev/shm").iterdir()) - before if "urpc" in name.name or "multikernel" in name.name
    }


def test_a_killed_kernel_ends_the_demo_with_a_clear_error(running: subprocess.Popen[str]) -> None:
    found = wait_until(lambda: (k := kernels(running.pid)) and len(k) == 3 and k)
    time.sleep(0.5)
    everything = children(running.pid)
    core, pid = sorted(found.items())[1]
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    _, errors = running.communicate(timeout=DEADLINE)
    assert running.returncode == 1
    assert time.monotonic() - began < 30  # a hang, not a time, is what this looks for
    assert f"the kernel of core {core} died: killed by SIGKILL" in errors
    assert "Traceback" not in errors
    wait_until(lambda: not any(alive(child) for child in everything))


def test_ctrl_c_ends_everything_quietly(running: subprocess.Popen[str]) -> None:
    wait_until(lambda: len(kernels(running.pid)) == 3)
    time.sleep(0.5)
    everything = children(running.pid)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=DEADLINE)
    assert running.returncode == 130
    assert "Traceback" not in errors
    wait_until(lambda: not any(alive(child) for child in everything))


def test_stay_keeps_the_service_up_until_ctrl_c() -> None:
    process = subprocess.Popen(
        [*COMMAND, "--cores", "2", "--seconds", "0.2", "--stay"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        words = process.stderr.readline()
        url = re.search(r"http://\S+?(?=/ )", words)
        assert url is not None, words
        with Client(url[0]) as client:
            assert client.health().status == "ok"
            assert client.rows("message_rtt")  # what was measured between cores stays known
            assert client.rows("kernel") == []  # what ran does not
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == 0
        with Client(url[0]) as client, pytest.raises(SkbUnreachable):
            client.health()
    finally:
        process.kill()
        process.communicate()


def test_kill_9_of_the_demo_leaves_no_process(running: subprocess.Popen[str]) -> None:
    wait_until(lambda: len(kernels(running.pid)) == 3)
    everything = children(running.pid)
    assert len(everything) >= 4  # the kernels, the SKB, its engine
    running.kill()
    running.communicate(timeout=DEADLINE)
    wait_until(lambda: not any(alive(child) for child in everything))


def test_a_single_core_gets_one_clear_message() -> None:
    done = subprocess.run(
        COMMAND,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "only one core is usable here" in done.stderr
    assert "--cores 2" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cores", "1"], "a multikernel has 2 to"),
        (["--cores", "100000"], "a multikernel has 2 to"),
        (["--data", "/proc/nowhere"], "/proc/nowhere"),
    ],
)
def test_what_cannot_be_is_refused_in_one_message(arguments: list[str], words: str) -> None:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=DEADLINE)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
