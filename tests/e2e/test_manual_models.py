"""The questions of the manual's page of models are answered, about a machine that has what they ask for."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from service_process import Service

MANUAL = Path(__file__).parents[2] / "docs" / "models.md"


def test_every_question_of_the_manual_has_an_answer(tmp_path: Path) -> None:
    commands = re.findall(r"^skb ((?:ask|pci-plan) .*)$", MANUAL.read_text(), re.MULTILINE)
    assert len(commands) >= 10
    synthetic = [sys.executable, "-m", "skb", "synth", "pack:2 numa:1(memory=64GB) l3:2 core:2 pu:2"]
    facts = subprocess.run([*synthetic, "--json"], capture_output=True, check=True, timeout=60).stdout
    nic = b'{"f": "addr", "args": [0, 1, 0, 0]}'
    facts += b'{"name": "local_apic_address", "args": [4276092928]}\n'
    facts += b'{"name": "memory_affinity", "args": [0, 1073741824, 0, []]}\n'
    facts += b'{"name": "device", "args": [%s, 1, 1, 2, 0, 0, 0]}\n' % nic
    facts += b'{"name": "bar", "args": [%s, 0, 2147483648, 65536, "memory", 32, 0]}\n' % nic
    facts += b'{"name": "os_interrupt", "args": [40, "nic", %s]}\n' % nic
    with Service(tmp_path / "data") as service, service.client() as client:
        client.load("box", facts)
        for command in commands:
            done = subprocess.run(
                [sys.executable, "-m", "skb", *shlex.split(command), "--machine", "box"],
                env={**os.environ, "SKB_URL": service.url},
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr)
