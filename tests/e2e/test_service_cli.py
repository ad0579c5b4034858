"""The command `skb` against the real service: tables, JSON, exit statuses, one message when something is wrong."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from service_process import Service

Skb = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("skb")) as running:
        with running.client() as client:
            client.update(
                [
                    *({"name": "core", "args": [core, core, 1]} for core in range(4)),
                    {"name": "device_node", "args": [{"f": "addr", "args": [0, 0, 0x1F, 3]}, 0]},
                    {"name": "cpu_name", "args": [0, "A [bold]brand[/bold]"]},
                ]
            )
        yield running


@pytest.fixture
def skb(service: Service) -> Skb:
    """Run the command against the service."""

    def run(*arguments: str, url: str = service.url) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "skb", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "SKB_URL": url, "COLUMNS": "200", "NO_COLOR": "1"},
        )

    return run


def test_a_query_is_a_table_or_json(skb: Skb) -> None:
    table = skb("query", "core(Core, _, _)")
    assert table.returncode == 0
    assert table.stdout.split() == ["Core", "0", "1", "2", "3"]
    answer = json.loads(skb("query", "core(Core, _, _)", "--json", "--limit", "2").stdout)
    assert (answer["solutions"], answer["more"]) == ([{"Core": 0}, {"Core": 1}], True)


def test_a_query_without_a_solution_is_status_1(skb: Skb) -> None:
    done = skb("query", "core(99, _, _)")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (1, "false: no solution", "")


def test_params_are_json_or_bare_words(skb: Skb) -> None:
    done = skb("query", "Z = f(X, Y)", "--param", "X=1", "--param", "Y=x), shell(ls", "--json")
    assert json.loads(done.stdout)["solutions"][0]["Z"] == {"f": "f", "args": [1, "x), shell(ls"]}


def test_facts_are_listed_and_rows_shown_as_people_write_them(skb: Skb) -> None:
    assert "device_node" in skb("facts").stdout
    assert "0000:00:1f.3" in skb("facts", "device_node").stdout
    assert "A [bold]brand[/bold]" in skb("facts", "cpu_name").stdout
    assert json.loads(skb("facts", "core", "core=2", "--json").stdout) == [{"core": 2, "apic_id": 2, "online": 1}]


def test_the_machine_is_a_tree(skb: Skb) -> None:
    assert "core" in skb("topology").stdout.lower()
    assert json.loads(skb("topology", "--json").stdout)["type"] == "machine"


def test_a_placement_reads_its_traffic_from_csv(skb: Skb, tmp_path: Path) -> None:
    traffic = tmp_path / "traffic.csv"
    traffic.write_text("0,5\n5,0\n")
    placement = json.loads(skb("place", str(traffic), "--cores", "1-3", "--avoid", "2", "--json").stdout)
    assert sorted(placement["assignment"]) == [1, 3]
    assert "core" in skb("place", str(traffic)).stdout


def test_a_tree_reaches_all_cores(skb: Skb) -> None:
    tree = json.loads(skb("tree", "0", "--json").stdout)
    assert {core for below in tree["children"].values() for core in below} == {1, 2, 3}
    assert "core 3" in skb("tree", "0").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["query", "core("], "line 1, column"),
        (["query", "halt"], "halt/0 is not allowed"),
        (["facts", "cpu_tread"], "did you mean cpu_thread?"),
        (["facts", "core", "cores=1"], "its fields are"),
        (["tree", "99"], "the root 99"),
    ],
)
def test_a_problem_is_one_message_and_status_1(skb: Skb, arguments: list[str], words: str) -> None:
    done = skb(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("skb: ")
    assert words in line


@pytest.mark.parametrize("arguments", [["query", "true"], ["facts"], ["topology"], ["tree", "0"]])
def test_no_service_is_one_message_with_the_remedy(skb: Skb, arguments: list[str]) -> None:
    done = skb(*arguments, url="http://127.0.0.1:1")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "start one with `skb serve`" in line


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://[", "ftp://127.0.0.1"])
def test_an_address_that_is_none_is_one_message(skb: Skb, url: str) -> None:
    done = skb("topology", url=url)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("skb: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["query"],
        ["query", "true", "--limit", "0"],
        ["query", "true", "--param", "X"],
        ["facts", "core", "core"],
        ["place", "/nonexistent.csv"],
        ["tree", "0", "--cores", "a-b"],
        ["no-such-command"],
    ],
)
def test_a_wrong_command_line_is_status_2(skb: Skb, arguments: list[str]) -> None:
    done = skb(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["0,1\n1\n", "", "0,x\n1,0\n", "0,1\n1,0\n2,2\n"])
def test_a_matrix_that_is_none_is_said_with_its_place(skb: Skb, tmp_path: Path, text: str) -> None:
    traffic = tmp_path / "traffic.csv"
    traffic.write_text(text)
    done = skb("place", str(traffic))
    assert done.returncode == 2
    assert "traffic.csv" in done.stderr.replace("\n", "").replace("│", "").replace(" ", "")
