"""The house: who may import whom. The rules are in pyproject.toml, [tool.importlinter]."""

import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Check the packages in a folder (-S: not those that an editable installation would put in their place)."""
    script = (
        f"import sys; sys.path[:0] = [{str(root)!r}, {sysconfig.get_paths()['purelib']!r}]; "
        "from importlinter.cli import lint_imports_command; lint_imports_command()"
    )
    command = [sys.executable, "-S", "-P", "-c", script, "--no-cache"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=60)


def test_nobody_imports_what_he_may_not() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_forbidden_import_is_found(tmp_path: Path) -> None:
    """The rules bite: a protocol that reaches into the SKB breaks them."""
    for package in ("probes", "skb", "multikernel"):
        for source in (ROOT / package).rglob("*.py"):
            copy = tmp_path / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    guilty = tmp_path / "multikernel" / "protocols" / "tree.py"
    guilty.write_text(guilty.read_text() + "\nimport skb.engine\n")
    result = lint_imports(tmp_path)
    assert result.returncode != 0
    assert "multikernel.protocols.tree -> skb.engine" in result.stdout
