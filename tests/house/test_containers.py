"""The container files, as far as they can be checked without an engine: schema, references, commands that exist."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"


def test_the_compose_file_follows_the_compose_specification() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    result = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", COMPOSE],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_compose_file_has_the_service_and_a_multikernel() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    assert set(services) == {"skb", "multikernel"}
    scripts = {script.name for script in entry_points(group="console_scripts")}
    for service in services.values():
        assert service["command"][0] in scripts


def test_everything_that_the_image_copies_is_there() -> None:
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for name in line.split()[1:-1]:
                assert (ROOT / name).exists(), line


def test_the_image_installs_what_set_up_installs() -> None:
    """What `make setup` installs from Debian is in the Dockerfile too."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    setup = (ROOT / "tools" / "setup.sh").read_text()
    for package in ("swi-prolog-nox", "acpica-tools", "python3-venv", "gcc", "libc6-dev"):
        assert package in setup
        assert package in dockerfile
