"""Who watches, through real sockets: heartbeats in silence, and what becomes of those who do not read."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import uvicorn

from skb.api import watch
from skb.api.app import make_app
from skb.knowledge import Knowledge
from skb.machines.registry import Machines

STUCK = 0.3


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[uvicorn.Server, Knowledge, int]]:
    """A service in this process, so that its patience can be short."""
    machines = Machines(folder, 1)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(make_app(machines), http="httptools", log_config=None, access_log=False))
    server.capture_signals = suppress  # type: ignore[assignment]  # signals are not its business here
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await machines.local.open()
        while not server.started:
            await asyncio.sleep(0.01)
        yield server, machines.local, listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        await machines.close()
        listener.close()


def connect(port: int, since: int = 0) -> socket.socket:
    """Watch, with little room for what is not read."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(b"GET /v1/watch?since=%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % since)
    client.setblocking(False)
    return client


async def write_much(known: Knowledge) -> None:
    """More than the buffers of both ends hold."""
    for number in range(12):
        await known.update(
            [{"name": "cpu_name", "args": [core, f"{number} " + "x" * 10_000]} for core in range(100)], []
        )


async def read_to_the_end(client: socket.socket) -> bytes:
    loop, parts = asyncio.get_running_loop(), []
    with suppress(ConnectionResetError):
        while part := await loop.sock_recv(client, 1 << 20):
            parts.append(part)
            if b"0\r\n\r\n" in part[-8:]:
                break
    return b"".join(parts)


def test_silence_is_broken_by_heartbeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "HEARTBEAT_SECONDS", 0.05)

    async def story() -> None:
        async with serving(tmp_path) as (_, known, port):
            with connect(port) as client:
                seen = b""
                while seen.count(b": still here\n\n") < 3:
                    seen += await asyncio.get_running_loop().sock_recv(client, 65536)
                await known.update([{"name": "core", "args": [0, 0, 1]}], [])
                while b"event: change" not in seen:
                    seen += await asyncio.get_running_loop().sock_recv(client, 65536)
                assert b"id: 1\nevent: change\n" in seen

    asyncio.run(story())


def test_who_reads_too_late_is_told_that_it_was_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "STUCK_SECONDS", STUCK)
    monkeypatch.setattr(watch, "_dropped", told := Told(monkeypatch))

    async def story() -> None:
        async with serving(tmp_path) as (_, known, port):
            with connect(port) as client:
                await write_much(known)
                await asyncio.wait_for(told.said.wait(), 60)
                text = await asyncio.wait_for(read_to_the_end(client), 60)
        last = text.split(b"event: ")[-1]
        assert last.startswith(b"dropped\n")
        data = json.loads(last.split(b"data: ")[1].split(b"\n")[0])
        assert data["type"] == "/problems/slow-consumer"
        assert "watch again" in data["detail"]

    asyncio.run(story())


class Told:
    """Says when the event `dropped` is first made; from then on there is time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.said = asyncio.Event()
        self._make = watch._dropped

    def __call__(self, type_: str, detail: str) -> bytes:
        self.said.set()
        self._monkeypatch.setattr(watch, "STUCK_SECONDS", 60.0)  # this one will be read, however long the rest takes
        return self._make(type_, detail)


def test_who_never_reads_costs_the_service_nothing_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "STUCK_SECONDS", STUCK)

    async def story() -> None:
        async with serving(tmp_path) as (server, known, port):
            with connect(port):
                while not server.server_state.tasks:
                    await asyncio.sleep(0.01)
                await write_much(known)
                async with asyncio.timeout(60):
                    while server.server_state.tasks:
                        await asyncio.sleep(0.05)
                assert await known.update([], []) == 13  # others are served

    asyncio.run(story())
