"""Reasoning against its peers and bounds: placements, trees and routes, PCI plans, each a program of its own in this folder.

    python bench/bench_reasoning.py [--json FILE] [--seconds 3]

The recorded machines and problems are those of `../shared/data`; what is not there is said and left out.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

PARTS = ("placement", "trees", "pci")
HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run the parts one after the other, and put their figures together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--seconds", type=float, help="for each question; each part has a default")
    given = parser.parse_args()
    found = {}
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for part in PARTS:
            answer = Path(folder) / f"{part}.json"
            seconds = [] if given.seconds is None else ["--seconds", str(given.seconds)]
            program = [sys.executable, str(HERE / f"reasoning_{part}.py"), "--json", str(answer), *seconds]
            if subprocess.run(program, check=False).returncode == 0:
                found[part] = json.loads(answer.read_text(encoding="utf-8"))
            else:
                failed.append(part)
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
