"""The service against its peers, in the same run: engine, HTTP, load, isolation, durability.

python bench/bench_service.py [--json FILE] [--only PART ...] [--rounds N]

Parts are engine, http, load, isolation, durability. Times are least or median of several rounds in turns with the peer; a figure counts as
a ratio, since machines differ.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import httpx
import msgspec
from killing import children, core, kill_rounds, service
from rich.console import Console
from rich.table import Table

ROWS = 255


@dataclass(frozen=True)
class Figure:
    """A figure, what it is set beside, their ratio, and what the ratio should be."""

    part: str
    what: str
    ours: str
    peer: str
    ratio: float | None
    wanted: str


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=200, help="of killing, for durability")
    given = parser.parse_args()
    figures: list[Figure] = []
    for part in given.only:
        figures += PARTS[part](given.rounds)
    table = Table(title="The service", title_justify="left", box=None)
    for name in ("part", "what", "ours", "peer", "ratio", "wanted"):
        table.add_column(name, justify="right" if name in ("ours", "peer", "ratio") else "left")
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.3f}"
        table.add_row(figure.part, figure.what, figure.ours, figure.peer, ratio, figure.wanted)
    Console(width=140).print(table)
    if given.json:
        given.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2))


# Engine

ENGINE = """
import json, os, sys, time
from skb.engine.prolog import Prolog
prolog = Prolog()
from pyswip import Prolog as Pyswip
rows = int(sys.argv[1])
prolog.perform({"f": "write", "args": [[[[], [{"f": "core", "args": [n, n, 1]} for n in range(rows)]]]]})
def least(call, times):
    best = 9.0
    for _ in range(9):
        start = time.perf_counter()
        for _ in range(times):
            call()
        best = min(best, (time.perf_counter() - start) / times)
    return best
def ours(goal):
    return {"f": "solve", "args": [{"string": goal}, [], 1000, 0, 10**9, False]}
peer = Pyswip()
prolog.become_replica()
list(peer.query("use_module(library(http/json))"))
writer = ("forall(true, (findall(_{core: C, apic: A, online: O}, facts:core(C, A, O), L), "
          "with_output_to(string(_), json_write_dict(current_output, L, [width(0)]))))")
print(json.dumps({
    "one": [least(lambda: prolog.perform(ours("core(7, A, O)")), 400), least(lambda: list(peer.query("facts:core(7, A, O)")), 200)],
    "many": [least(lambda: prolog.perform(ours("core(C, A, O)")), 60), least(lambda: list(peer.query("facts:core(C, A, O)")), 6)],
    "writer": least(lambda: list(peer.query(writer)), 20),
}))
"""


def engine(_: int) -> list[Figure]:
    """One call a query, answers in one walk, beside pyswip's `query()` and SWI-Prolog's JSON writer, in one process."""
    output = subprocess.run(
        [sys.executable, "-c", ENGINE, str(ROWS)], capture_output=True, text=True, check=True
    ).stdout
    told = json.loads(output.splitlines()[-1])
    (one, peer_one), (many, peer_many), writer = told["one"], told["many"], told["writer"]
    return [
        Figure("engine", "one row, beside pyswip", _us(one), _us(peer_one), one / peer_one, "<= 0.40"),
        Figure("engine", f"{ROWS} rows, beside pyswip", _us(many), _us(peer_many), many / peer_many, "<= 0.03"),
        Figure("engine", f"{ROWS} rows, beside json_write_dict", _us(many), _us(writer), many / writer, "<= 0.20"),
    ]


# HTTP

CONSTANT = """
import sys, uvicorn
from fastapi import FastAPI, Response
app = FastAPI(docs_url=None)
BYTES = sys.argv[2].encode()
@app.post("/v1/query")
async def query():
    return Response(BYTES, media_type="application/json")
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False, loop="uvloop", http="httptools")
"""

PROLOG_SERVER = """
:- use_module(library(http/thread_httpd)). :- use_module(library(http/http_dispatch)). :- use_module(library(http/http_json)).
:- dynamic core/3.
:- http_handler('/v1/query', answer, []).
answer(Request) :- http_read_json_dict(Request, _), findall(_{'Apic': A}, core(7, A, _), L), reply_json_dict(_{solutions: L}).
:- forall(between(0, 63, N), assertz(core(N, N, 1))).
"""


def http(_: int) -> list[Figure]:
    """`POST /v1/query` beside an endpoint of FastAPI that gives the same bytes from a constant, and beside SWI-Prolog's own server."""
    body = b'{"goal": "core(7, Apic, _)"}'
    with tempfile.TemporaryDirectory() as folder, service(Path(folder) / "data") as (url, process):
        httpx.post(f"{url}/v1/facts", json={"assert": [core(number) for number in range(64)]}).raise_for_status()
        answer = httpx.post(f"{url}/v1/query", content=body, headers={"Content-Type": "application/json"}).text
        _pin(process)
        ports = {"ours": int(url.rpartition(":")[2]), "constant": 7797, "swi": 7796}
        server = Path(folder) / "server.pl"
        server.write_text(PROLOG_SERVER)
        constant = subprocess.Popen([sys.executable, "-c", CONSTANT, str(ports["constant"]), answer])
        prolog = subprocess.Popen(
            [
                "swipl",
                "-g",
                f"http_server(http_dispatch, [port({ports['swi']})])",
                "-g",
                "thread_get_message(stop)",
                str(server),
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.sched_setaffinity(constant.pid, {0})
        try:
            for name in ("constant", "swi"):
                _await(ports[name])
            told = {(name, width): [] for name in ports for width in (16, 1)}
            for _ in range(3):
                for width in (16, 1):
                    for name, port in ports.items():
                        told[name, width].append(asyncio.run(_load(port, body, width, 1.5)))
        finally:
            constant.kill()
            prolog.kill()
            constant.wait()
            prolog.wait()
    rate = {name: median(each[0] for each in told[name, 16]) for name in ports}
    wait = {name: median(each[1] for each in told[name, 1]) for name in ports}
    return [
        Figure(
            "http",
            "throughput at 16, beside a constant",
            f"{rate['ours']:.0f}/s",
            f"{rate['constant']:.0f}/s",
            rate["ours"] / rate["constant"],
            ">= 0.70",
        ),
        Figure(
            "http",
            "p50 at 1, beside a constant",
            _us(wait["ours"]),
            _us(wait["constant"]),
            wait["ours"] / wait["constant"],
            "<= 2.0",
        ),
        Figure(
            "http",
            "throughput at 16, beside SWI-Prolog",
            f"{rate['ours']:.0f}/s",
            f"{rate['swi']:.0f}/s",
            rate["ours"] / rate["swi"],
            "",
        ),
        Figure(
            "http", "p50 at 1, beside SWI-Prolog", _us(wait["ours"]), _us(wait["swi"]), wait["ours"] / wait["swi"], ""
        ),
    ]


async def _load(port: int, body: bytes, width: int, seconds: float) -> tuple[float, float]:
    """Give requests a second, and the median time of one."""
    head = f"POST /v1/query HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    request, waits = head.encode() + body, []
    stop = time.perf_counter() + seconds

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (start := time.perf_counter()) < stop:
            writer.write(request)
            header = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b"transfer-encoding: chunked" in header:
                await reader.readuntil(b"0\r\n\r\n")
            else:
                await reader.readexactly(int(header.split(b"content-length:")[1].split(b"\r")[0]))
            waits.append(time.perf_counter() - start)
        writer.close()

    await asyncio.gather(*(ask() for _ in range(width)))
    return len(waits) / seconds, median(waits)


# Load


def load(_: int) -> list[Figure]:
    """A million facts: written, and there again after a restart."""
    count, batch = 1_000_000, 50_000
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with service(data) as (url, process):
            before = _memory(process)
            start = time.perf_counter()
            with httpx.Client(timeout=120) as client:
                for first in range(0, count, batch):
                    facts = [
                        {"name": "cpu_feature", "args": [number // 1000, f"f{number % 1000}"]}
                        for number in range(first, first + batch)
                    ]
                    content = msgspec.json.encode({"assert": facts})
                    client.post(
                        f"{url}/v1/facts", content=content, headers={"Content-Type": "application/json"}
                    ).raise_for_status()
                written = time.perf_counter() - start
                assert client.post(
                    f"{url}/v1/query", json={"goal": "aggregate_all(count, cpu_feature(_, _), N)", "timeout_ms": 60000}
                ).json()
            each = (_memory(process) - before) / count
        start = time.perf_counter()
        with service(data) as (url, _process):
            restarted = time.perf_counter() - start
            answer = httpx.post(
                f"{url}/v1/query",
                json={"goal": "aggregate_all(count, cpu_feature(_, _), N)", "timeout_ms": 60000},
                timeout=90,
            )
            assert answer.json()["solutions"] == [{"N": count}], answer.text
    return [
        Figure("load", "10^6 facts, with the durable log", f"{written:.1f} s", "20 s", written / 20, "<= 1"),
        Figure("load", "restart with them", f"{restarted:.1f} s", "10 s", restarted / 10, "<= 1"),
        Figure("load", "memory of all processes (PSS), each fact", f"{each:.0f} B", "", None, "stated"),
    ]


# Isolation


def isolation(_: int) -> list[Figure]:
    """Fifty at once: ten never end, five exhaust the stacks, thirty-five are to answer."""
    goals = ["repeat, fail"] * 10 + ["length(L, 1000000000)"] * 5 + [f"core({number}, A, _)" for number in range(35)]
    random.Random(1).shuffle(goals)
    waits: list[float] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as (url, _process):
        httpx.post(f"{url}/v1/facts", json={"assert": [core(number) for number in range(35)]}).raise_for_status()

        def ask(goal: str) -> None:
            start = time.perf_counter()
            answer = httpx.post(f"{url}/v1/query", json={"goal": goal, "timeout_ms": 5000}, timeout=60).json()
            if goal.startswith("core"):
                waits.append(time.perf_counter() - start)
                if answer.get("solutions") != [{"A": int(goal[5:].split(",")[0])}]:
                    wrong.append(str(answer))

        threads = [threading.Thread(target=ask, args=(goal,)) for goal in goals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    waits.sort()
    worst = waits[-1]
    return [
        Figure(
            "isolation",
            f"35 among 15 bad ones: worst wait, {len(wrong)} wrong",
            f"{worst * 1000:.0f} ms",
            "1 s",
            worst,
            "<= 1, 0 wrong",
        )
    ]


# Durability


def durability(rounds: int) -> list[Figure]:
    """Kill the service, its template, its engines with kill -9 while facts are written: what was acknowledged is there."""
    with tempfile.TemporaryDirectory() as folder:
        found = kill_rounds(Path(folder), rounds)
    what = (
        f"{found.kills} rounds of kill -9 (service, template, engine), {found.acknowledged} writes: {found.lost} facts lost, "
        f"{found.gaps} gaps, {found.refused} refused for an engine"
    )
    return [Figure("durability", what, "", "", None, "0, 0, 0")]


# What they share


def _pin(process: subprocess.Popen[str]) -> None:
    """The server on one core, its engines on another."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(process.pid, {cores[0]})
    for pid in children(process.pid):
        os.sched_setaffinity(pid, {cores[-1]})


def _memory(process: subprocess.Popen[str]) -> int:
    total = 0
    for pid in (process.pid, *children(process.pid)):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def _await(port: int) -> None:
    for _ in range(200):
        try:
            httpx.post(f"http://127.0.0.1:{port}/v1/query", json={}, timeout=2)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"bench_service: nothing answers at port {port}")


def _us(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us"


PARTS: dict[str, Callable[[int], list[Figure]]] = {
    "engine": engine,
    "http": http,
    "load": load,
    "isolation": isolation,
    "durability": durability,
}

if __name__ == "__main__":
    main()
