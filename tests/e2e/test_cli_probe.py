"""`skb probe`, as users start it: recordings of every form, forms of output, terminals, and ways to go wrong."""

from __future__ import annotations

import bz2
import io
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SKB = [sys.executable, "-m", "skb"]

LSPCI = "00:1f.3 Audio device: something\n" + "".join(
    f"{offset:02x}: {row}\n"
    for offset, row in [
        (0x00, "86 80 70 9d 06 04 00 00 21 80 03 04 10 00 00 00"),
        (0x10, "04 40 12 b1 00 00 00 00 00 00 00 00 00 00 00 00"),
        (0x20, "04 00 11 b1 00 00 00 00 00 00 00 00 28 10 06 07"),
        (0x30, "00 00 00 00 50 00 00 00 00 00 00 00 ff 01 00 00"),
    ]
)
PU = "5 0 0 0 0 => 1 756e6547 6c65746e 49656e69\n1 1 0 0 0 => 306f2 100800 0 10000000\n"


def table(signature: bytes = b"SLIT", body: bytes = (1).to_bytes(8, "little") + b"\x0a") -> bytes:
    content = signature + (36 + len(body)).to_bytes(4, "little") + b"\x01\x00" + b"OEMID_" + bytes(20) + body
    return content[:9] + bytes([-sum(content) & 0xFF]) + content[10:]


def acpidump(content: bytes) -> str:
    rows = (content[at : at + 16].hex(" ").upper() for at in range(0, len(content), 16))
    return "SLIT @ 0x00000000BF79E390\n" + "".join(f"  {at * 16:04X}: {row}\n" for at, row in enumerate(rows))


def archive(**members: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for name, text in members.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size = len(text)
            made.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def skb(*arguments: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [*SKB, *map(str, arguments)]
    return subprocess.run(command, **{"capture_output": True, "text": True, "timeout": 60, "check": False} | more)


def names(output: str) -> set[str]:
    return {json.loads(line)["name"] for line in output.splitlines()}


def folder_of_tables(path: Path) -> None:
    path.mkdir()
    (path / "slit.dat").write_bytes(table())
    (path / "other.dat").write_bytes(table(b"OTHR"))


FORMS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a folder of tables": ("acpi", folder_of_tables, "node_distance"),
    "a table": ("acpi", lambda path: path.write_bytes(table()), "node_distance"),
    "tables in a row": ("acpi", lambda path: path.write_bytes(table(b"OTHR") + table()), "node_distance"),
    "acpidump": ("acpi", lambda path: path.write_text(acpidump(table())), "node_distance"),
    "lspci": ("pci", lambda path: path.write_text(LSPCI), "device"),
    "gathered CPUID": (
        "cpuid",
        lambda path: path.write_bytes(bz2.compress(archive(m__pu0=PU, m__pu1=PU))),
        "cpu_family",
    ),
    "a gathered tree": (
        "cpuid",
        lambda path: path.write_bytes(archive(m__sys__devices__system__cpu__online="0-3\n")),
        "core",
    ),
    "facts": ("all", lambda path: path.write_text('{"name": "core", "args": [0, 0, 1]}\n'), "core"),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_was_recorded_is_read_whatever_its_form_and_name(form: str, tmp_path: Path) -> None:
    subject, write, expected = FORMS[form]
    path = tmp_path / "recording"
    write(path)
    done = skb("probe", subject, "--from", path, "--json")
    assert (done.returncode, done.stderr) == (0, "") or form == "gathered CPUID"
    assert expected in names(done.stdout)


def test_a_recording_may_come_through_a_pipe() -> None:
    done = skb("probe", "pci", "--from", "-", input=LSPCI)
    assert (done.returncode, done.stderr) == (0, "")
    assert "device" in names(done.stdout)


def test_this_machine_is_probed_by_default_for_everything() -> None:
    done = skb("probe")
    assert done.returncode == 0
    assert {"machine", "core", "cpu_thread", "numa_node"} <= names(done.stdout)


def test_json_is_one_fact_a_line_in_the_form_of_the_interface(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(LSPCI)
    first, *_ = skb("probe", "pci", "--from", tmp_path / "x", "--json").stdout.splitlines()
    assert first == ('{"name": "device", "args": [{"f": "addr", "args": [0, 0, 31, 3]}, 32902, 40304, 4, 3, 128, 33]}')


def test_warnings_are_lines_on_standard_error_and_no_failure(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(table(body=(9).to_bytes(8, "little") + b"\x0a") + b"????")
    done = skb("probe", "acpi", "--from", tmp_path / "x", "--json")
    assert done.returncode == 0
    assert "acpi_table" in names(done.stdout)
    assert done.stderr
    assert all(line.startswith("skb: ") and line.count("; ") >= 1 for line in done.stderr.splitlines())


@pytest.mark.skipif(shutil.which("swipl") is None, reason="swipl is not installed")
def test_prolog_text_is_what_prolog_reads(tmp_path: Path) -> None:
    written = [
        '{"name": "net_interface", "args": ["it\'s \\\\ \\n odd", {"f": "addr", "args": [0, 1, 2, 3]}]}',
        '{"name": "machine", "args": ["[]", "x86_64", "Linux \\"6\\""]}',
        '{"name": "net_interface", "args": ["Eth0", {"f": "addr", "args": [0, 0, 2, 0]}]}',
        '{"name": "resizable_bar", "args": [{"f": "addr", "args": [0, 0, 2, 0]}, 0, 4, [4, 8]]}',
    ]
    (tmp_path / "facts").write_text("\n".join(written))
    done = skb("probe", "--from", tmp_path / "facts", "--prolog")
    assert done.returncode == 0
    (tmp_path / "facts.pl").write_text(done.stdout)
    goal = (
        "net_interface('it\\'s \\\\ \\n odd', addr(0, 1, 2, 3)), net_interface('Eth0', _), machine('[]', x86_64, O), string(O),"
        " resizable_bar(_, 0, 4, [4, 8])"
    )
    run = ["swipl", "-q", "-g", goal, "-t", "halt", str(tmp_path / "facts.pl")]
    checked = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["usb"], "invalid choice: 'usb'"),
        (["--from", "x", "--format", "pdf"], "--format pdf: there is no such format; formats are "),
        (["--format", "lspci"], "name it with --from"),
        (["--json", "--prolog"], "not allowed with"),
        (["--nonsense"], "unrecognized arguments"),
    ],
)
def test_a_wrong_command_line_is_status_2_and_says_what_is_right(arguments: list[str], words: str) -> None:
    done = skb("probe", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file or directory; "),
        (b"", "the file is empty; "),
        (b"hello", "is of no form that is known; understood are "),
        (bz2.compress(LSPCI.encode())[:-9], "ends too early: it is compressed, and the end of that is missing; "),
        (archive(readme="hello"), "holds nothing that is known; understood are "),
        (archive(a__pu0=PU, b__pu0=PU), "holds several machines: a/, b/ ...; give one of them"),
    ],
)
def test_what_is_no_recording_is_one_line_with_place_cause_and_remedy(
    content: bytes | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "recording"
    if content is not None:
        path.write_bytes(content)
    done = skb("probe", "--from", path)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"skb: {path}: {words}")


def test_a_form_that_the_content_is_not_of_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(LSPCI)
    done = skb("probe", "--from", tmp_path / "x", "--format", "acpidump")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"skb: {tmp_path}/x: is not acpidump; leave --format out, or give the right one\n"


def test_nothing_of_the_subject_is_a_failure_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(LSPCI)
    done = skb("probe", "acpi", "--from", tmp_path / "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"skb: {tmp_path}/x: nothing could be read of acpi\n"


def test_a_reader_that_stops_reading_is_no_failure() -> None:
    child = subprocess.Popen([*SKB, "probe", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stderr is not None
    with child:
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(60) == 0


def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = skb("probe", capture_output=False, stdout=full, stderr=subprocess.PIPE)
        documented = skb("probe", "--json", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    words = "standard output: No space left on device; not all facts were written"
    assert (done.returncode, done.stderr) == (1, f"skb: {words}\n")
    assert documented.returncode == 1
    assert json.loads(documented.stderr)["detail"] == words


def test_an_interrupt_ends_it_without_a_word(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    command = [*SKB, "probe", "--from", str(tmp_path / "pipe")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # Whoever runs the tests may have interrupts ignored, which processes inherit.
    child = subprocess.Popen(command, **pipes, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # type: ignore[call-overload]
    with child, (tmp_path / "pipe").open("wb", buffering=0) as pipe:  # open when the command has opened it
        pipe.write(b"00")
        time.sleep(
            0.5
        )  # by then it waits for more; an interrupt just before a system call begins is not seen before its end
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 130
        assert child.communicate() == (b"", b"")


def on_terminal(*arguments: str | Path, feed: Callable[[], None] | None = None) -> tuple[int, str]:
    """Run a command with a terminal for its outputs; gives the status and what the terminal showed."""
    terminal, side = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    child = subprocess.Popen(
        [*SKB, *map(str, arguments)], stdout=side, stderr=side, stdin=subprocess.DEVNULL, env=environment
    )
    os.close(side)
    shown = b""
    with child:
        if feed:
            feed()
        while select.select([terminal], [], [], 60)[0]:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # the last process that had it has ended
                break
            if not part:
                break
            shown += part
        os.close(terminal)
        return child.wait(60), shown.decode()


def test_on_a_terminal_facts_are_for_people_and_warnings_have_colour(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(LSPCI + "0000:00:1f.3 again\n")
    status, shown = on_terminal("probe", "pci", "--from", tmp_path / "x")
    assert status == 0
    assert "0000:00:1f.3" in shown
    assert '{"name"' not in shown
    assert "\x1b[1;33m" in shown
    assert "the first counts" in shown


def test_on_a_terminal_json_is_json_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(LSPCI)
    status, shown = on_terminal("probe", "pci", "--from", tmp_path / "x", "--json")
    assert status == 0
    assert "device" in names(shown)


def test_on_a_terminal_a_bar_shows_what_takes_long(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def feed() -> None:
        with path.open("wb") as pipe:
            time.sleep(1.5)  # longer than the command's patience
            pipe.write(LSPCI.encode())

    status, shown = on_terminal("probe", "pci", "--from", path, "--json", feed=feed)
    assert status == 0
    assert "━" in shown
    assert str(path.name) in shown


def test_without_a_terminal_there_is_no_bar(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    child = subprocess.Popen([*SKB, "probe", "--from", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with child:
        with path.open("wb") as pipe:
            time.sleep(1)
            pipe.write(LSPCI.encode())
        output, errors = child.communicate(timeout=60)
    assert errors == b""
    assert b"device" in output
    assert b"\x1b" not in output


def test_what_is_no_text_in_a_name_is_escaped(tmp_path: Path) -> None:
    kernel = tmp_path / "sys" / "class" / "net"
    device = tmp_path / "sys" / "devices" / "pci0000:00" / "0000:00:02.0" / "net"
    kernel.mkdir(parents=True)
    device.mkdir(parents=True)
    name = os.fsdecode(b"e\xff")
    (device / name).mkdir()
    (kernel / name).symlink_to(f"../../devices/pci0000:00/0000:00:02.0/net/{name}")
    done = skb("probe", "devices", "--from", tmp_path, "--json")
    assert done.returncode == 0
    assert '{"name": "net_interface", "args": ["e\\udcff", ' in done.stdout
