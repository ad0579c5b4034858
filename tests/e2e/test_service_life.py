"""The service's life: starts, ends, crashes, restarts, full disks, other services."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from service_process import Service, alive, children, cpu_seconds, failing, until

from skb.client import SkbProblem, SkbUnreachable


def only_message(done: subprocess.CompletedProcess[str]) -> str:
    """What a service that did not start says: one message on standard error, status 1."""
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("skb: ")
    return line


# Acknowledged is kept


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    with Service(tmp_path) as service, service.client() as client:
        client.update([{"name": "core", "args": [0, 0, 1]}])
        revision = client.update([{"name": "core", "args": [1, 2**70, 1]}], [{"name": "core", "args": [0, 0, 1]}])
        service.end(signal.SIGKILL)
    with Service(tmp_path) as service, service.client() as client:
        assert client.rows("core") == [{"core": 1, "apic_id": 2**70, "online": 1}]
        assert client.health().revision == revision == 2


def test_a_full_disk_is_said_and_the_service_goes_on_reading(tmp_path: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, 256 * 1024))

    with Service(tmp_path, preexec_fn=small_files) as service, service.client() as client:
        client.update([{"name": "core", "args": [0, 0, 1]}])
        many = [{"name": "cpu_feature", "args": [core, f"feature_{core}"]} for core in range(10_000)]
        with pytest.raises(SkbProblem, match="could not be stored") as caught:
            client.update(many)
        assert (caught.value.status, caught.value.type) == (507, "/problems/storage-failed")
        assert client.rows("cpu_feature") == []
        assert client.query("core(Core, _, _)").solutions == [{"Core": 0}]
        assert client.health().revision == 1
        assert client.update([{"name": "core", "args": [1, 1, 1]}]) == 2
    with Service(tmp_path) as service, service.client() as client:
        assert [row["core"] for row in client.rows("core")] == [0, 1]


# Starts that cannot be


def test_a_port_in_use_is_one_message(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = only_message(failing("--no-probe", "--port", str(port), "--data", str(tmp_path)))
    assert f"port {port} of 127.0.0.1 cannot be had" in message
    assert "--port" in message


def test_a_data_folder_in_use_is_one_message_that_says_by_whom(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        message = only_message(failing("--no-probe", "--port", "0", "--data", str(tmp_path)))
        assert f"in use by process {service.process.pid}" in message
        assert service.query("true").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_hosts_beyond_loopback_are_refused(tmp_path: Path, host: str) -> None:
    assert "loopback" in only_message(failing("--no-probe", "--host", host, "--data", str(tmp_path)))


def test_a_data_folder_that_cannot_be_made_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = only_message(failing("--no-probe", "--port", "0", "--data", str(tmp_path / "file" / "data")))
    assert "--data" in message


def test_a_log_that_is_none_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "local.sqlite").write_bytes(b"not a database, " * 1000)
    message = only_message(failing("--no-probe", "--port", "0", "--data", str(tmp_path)))
    assert "local.sqlite cannot be read" in message


def test_missing_prolog_is_one_message_with_the_remedy(tmp_path: Path) -> None:
    nowhere = {"LIBSWIPL_PATH": "/nonexistent/libswipl.so", "SWI_HOME_DIR": "/nonexistent", "PATH": "/nonexistent"}
    message = only_message(failing("--no-probe", "--port", "0", "--data", str(tmp_path), environment=nowhere))
    assert "SWI-Prolog cannot be loaded" in message
    assert "apt-get install swi-prolog-nox" in message


# Ends

ENDLESS = {"goal": "repeat, fail", "timeout_ms": 600_000}
PLACE = {"dispatchers": 2, "traffic": [[0, 1], [1, 0]], "seconds": 0.1}


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Service]:
    """A service with all the processes that it may have."""
    with Service(tmp_path) as service:
        with service.client() as client:
            client.update([{"name": "core", "args": [core, core, 1]} for core in range(4)])
        assert service.ask("POST", "/v1/placement", json=PLACE).status_code == 200
        yield service


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_service_and_all_its_processes(busy: Service, number: signal.Signals) -> None:
    below = children(busy.process.pid)
    assert len(below) >= 2  # the engine and the solver
    assert busy.end(number) == (0, "")
    until(lambda: not any(alive(pid) for pid in below))


def test_a_goal_that_does_not_end_does_not_keep_the_service_from_ending(busy: Service) -> None:
    answers: list[int] = []
    asking = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{busy.url}/v1/query", json=ENDLESS, timeout=60).status_code)
    )
    before = cpu_seconds(busy.engine())
    asking.start()
    until(lambda: cpu_seconds(busy.engine()) > before + 0.2)
    status, words = busy.end(signal.SIGTERM)
    assert status == 0
    assert [json.loads(line)["status"] for line in words.splitlines()] == [503]
    asking.join()
    assert answers == [503]


def test_kill_9_leaves_no_process_either(busy: Service) -> None:
    below = children(busy.process.pid)
    busy.end(signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in below))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_ends_it_as_well(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "skb", "serve", "--port", "0", "--no-probe", "--data", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    engine = until(lambda: children(process.pid, b"skb.engine.worker"))
    process.send_signal(number)
    assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == 0
    assert not any(alive(pid) for pid in engine)


def test_a_solver_that_is_killed_is_replaced(busy: Service) -> None:
    (solver,) = children(busy.process.pid, b"multiprocessing.spawn")
    os.kill(solver, signal.SIGKILL)
    statuses = [busy.ask("POST", "/v1/placement", json=PLACE).status_code for _ in range(2)]
    assert statuses in ([503, 200], [200, 200])


def test_nobody_answers_after_the_end(tmp_path: Path) -> None:
    with Service(tmp_path) as service, service.client() as client:
        service.end(signal.SIGTERM)
        with pytest.raises(SkbUnreachable, match="start one with `skb serve`"):
            client.health()


# The live machine


def test_probing_again_writes_nothing_new_and_keeps_what_was_written_by_hand(tmp_path: Path) -> None:
    with Service(tmp_path, "--probe") as service, service.client() as client:
        cores = client.rows("core")
        assert {row["core"] for row in cores if row["online"] == 1} >= os.sched_getaffinity(0)
        assert client.rows("machine")[0]["name"] == os.uname().nodename
        (size,) = (row["size"] for row in client.rows("numa_node", node=0)) if client.rows("numa_node") else (1,)
        by_hand = [
            {"name": "numa_node", "args": [0, size + 1]},
            {"name": "cpu_vendor", "args": [4000, "ByHand"]},
            {"name": "message_rtt", "args": [0, 1, 1, 1, 1, 1]},
        ]
        revision = client.update(by_hand)
    with Service(tmp_path, "--probe") as service, service.client() as client:
        assert client.health().revision == revision
        assert client.rows("core") == cores
        assert client.rows("numa_node", node=0) == [{"node": 0, "size": size + 1}]
        assert client.rows("cpu_vendor", core=4000) == [{"core": 4000, "vendor": "ByHand"}]
        assert len(client.rows("message_rtt")) == 1
