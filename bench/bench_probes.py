"""How long probing takes, beside what the field's tools take for the same: whole processes, run in turns.

python bench/bench_probes.py [--json FILE] [--rounds N]

Recorded machines are those in ../shared/data; a row whose recording or peer is missing is left out and said so.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
SKB = str(ROOT / ".venv" / "bin" / "skb")


@dataclass(frozen=True)
class Race:
    """Ours and the peer's command for the same work, and the time that ours may take."""

    what: str
    limit: float | None
    ours: Sequence[str]
    peer: Sequence[str] | None
    peer_name: str
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Result:
    """Seconds, least and median."""

    what: str
    limit: float | None
    least: float
    middle: float
    peer_name: str
    peer_least: float | None

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's, least times."""
        return self.least / self.peer_least if self.peer_least else None


def races(folder: Path) -> list[Race]:
    """What is raced. `folder` holds unpacked recordings, for peers that cannot read archives."""
    found = [
        Race("start of the interpreter", None, [sys.executable, "-c", "pass"], None, ""),
        Race(
            "this machine, all subjects",
            0.3,
            [SKB, "probe", "all", "--json"],
            _lstopo("--whole-io", "--of", "xml"),
            "lstopo --whole-io",
        ),
    ]
    archive = DATA / "cpuid" / "AMD-19h-Zen4-2xEpyc-9654.tar.bz2"
    if archive.exists():
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        (dump,) = folder.iterdir()
        found.append(
            Race(
                "CPUID of 384 threads, from the archive",
                1.0,
                [SKB, "probe", "cpuid", "--from", str(archive), "--json"],
                _lstopo("--of", "xml"),
                "lstopo, unpacked dump",
                (("HWLOC_CPUID_PATH", str(dump)), ("HWLOC_COMPONENTS", "x86,stop"), ("HWLOC_THISSYSTEM", "0")),
            )
        )
    largest = [
        ("snapshot of sysfs, 256 threads, archive", "sysfs/256ppc-8n8s4t.tar.bz2", None, ""),
        ("PCI of 142 functions, 4 kB each", "pci/smelt-e5v2-2x10/config.txt", ["lspci", "-vvv", "-F"], "lspci -vvv -F"),
    ]
    for what, name, peer, peer_name in largest:
        path = DATA / name
        if path.exists():
            runs = [*peer, str(path)] if peer and shutil.which(peer[0]) else None
            found.append(Race(what, None, [SKB, "probe", "all", "--from", str(path), "--json"], runs, peer_name))
    return found


def _lstopo(*arguments: str) -> list[str] | None:
    return ["lstopo-no-graphics", *arguments] if shutil.which("lstopo-no-graphics") else None


def race(entry: Race, rounds: int) -> Result:
    """Run both commands in turns."""
    ours, peers = [], []
    for _ in range(rounds):
        ours.append(_seconds(entry.ours, ()))
        if entry.peer:
            peers.append(_seconds(entry.peer, entry.environment))
    return Result(entry.what, entry.limit, min(ours), median(ours), entry.peer_name, min(peers) if peers else None)


def _seconds(command: Sequence[str], environment: tuple[tuple[str, str], ...]) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=dict(os.environ) | dict(environment),
        check=False,
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"bench_probes: {shlex.join(command)} failed: {done.stderr.decode(errors='replace').strip()}")
    return seconds


def picture(results: Sequence[Result]) -> Table:
    """Show the results."""
    table = Table(title="Probing, whole processes", title_justify="left", box=None)
    for name in ("what", "least", "median", "may take", "peer", "peer least", "ours / peer"):
        table.add_column(name, justify="left" if name in ("what", "peer") else "right")
    for result in results:
        limit = f"{result.limit:g} s" if result.limit else ""
        peer = f"{result.peer_least:.3f} s" if result.peer_least else ""
        ratio = f"{result.ratio:.2f}" if result.ratio else ""
        table.add_row(
            result.what, f"{result.least:.3f} s", f"{result.middle:.3f} s", limit, result.peer_name, peer, ratio
        )
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--rounds", type=int, default=7, help="times that every command is run (default 7)")
    options = parser.parse_args()
    if not DATA.is_dir():
        print(f"no recorded machines in {DATA}: only this machine is probed", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        results = [race(entry, options.rounds) for entry in races(Path(folder))]
    Console().print(picture(results))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(
            json.dumps([asdict(result) | {"ratio": result.ratio} for result in results], indent=2) + "\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
