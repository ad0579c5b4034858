"""Whatever a probe prints, the service takes: this machine, recorded ones, synthetic ones, without an error of the schema."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_process import Service

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

RECORDED = sorted(
    path
    for pattern in (
        "acpi/*/tables",
        "pci/*/config.txt",
        "sysfs/32em64t*.tar.bz2",
        "sysfs/128arm*.tar.bz2",
        "cpuid/*Zen4*.tar.bz2",
        "sysfs/*-xml.xml",
    )
    for path in DATA.glob(pattern)
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("skb")) as running:
        yield running


def loads(service: Service, *arguments: str) -> None:
    """Run a command that prints facts, and write them in one transaction."""
    result = subprocess.run(
        [sys.executable, "-m", "skb", *arguments, "--json"], capture_output=True, text=True, timeout=60, check=True
    )
    facts = [json.loads(line) for line in result.stdout.splitlines()]
    assert facts
    with service.client() as client:
        client.update(facts)
        counted = {predicate.name: predicate.rows for predicate in client.facts()}
        names = {fact["name"] for fact in facts}
        assert all(counted[name] for name in names)


def test_this_machine_loads(service: Service) -> None:
    loads(service, "probe", "all")


@pytest.mark.skipif(not RECORDED, reason=f"there are no recorded machines under {DATA}")
def test_recorded_machines_load(service: Service) -> None:
    for path in RECORDED:
        loads(service, "probe", "--from", str(path))


@pytest.mark.parametrize("description", ["pack:2 numa:2 l3:4 core:8 pu:2", "barrelfish-8x4"])
def test_synthetic_machines_load(service: Service, description: str) -> None:
    loads(service, "synth", description)


def test_facts_as_prolog_text_are_the_same_facts(tmp_path: Path) -> None:
    for form in ("--json", "--prolog"):
        with (tmp_path / form).open("w") as output:
            subprocess.run(
                [sys.executable, "-m", "skb", "synth", "pack:2 core:2 pu:2", form],
                stdout=output,
                check=True,
                timeout=60,
            )
    goal = "open('--prolog', read, S), read_term(S, T, []), ( T = machine(N, _, O), atom(N), string(O) -> halt(0) ; halt(1) )"
    assert subprocess.run(["swipl", "-g", goal, "-t", "halt(2)"], cwd=tmp_path, check=False, timeout=60).returncode == 0
    lines = (tmp_path / "--prolog").read_text().splitlines()
    assert len(lines) == len((tmp_path / "--json").read_text().splitlines())
