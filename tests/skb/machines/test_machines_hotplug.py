"""Changes of this machine: the kernel says so, and the service probes again, once for a swarm of events."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from skb.machines import hotplug

EVENT = Path("/sys/class/net/lo/uevent")

pytestmark = pytest.mark.skipif(
    not os.access(EVENT, os.W_OK), reason=f"{EVENT} cannot be written, so no event can be made"
)


def test_a_swarm_of_events_is_one_probe_and_the_next_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hotplug, "QUIET_SECONDS", 0.2)
    probed: list[float] = []

    async def story() -> None:
        async def probe() -> None:
            probed.append(asyncio.get_running_loop().time())
            if len(probed) == 1:
                raise OSError("a probe that fails is not the last")

        following = asyncio.create_task(hotplug.keep_true(probe))
        await asyncio.sleep(0.2)
        for swarm in (1, 2):
            for _ in range(5):
                EVENT.write_text("change\n")
            async with asyncio.timeout(30):
                while len(probed) < swarm:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)
            assert len(probed) == swarm
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    asyncio.run(story())


def test_where_no_events_are_to_be_had_that_is_said_and_the_rest_works(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyudev

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no netlink here")

    monkeypatch.setattr(pyudev.Monitor, "from_netlink", refuse)

    async def never() -> None:
        pytest.fail("there was nothing to probe for")

    asyncio.run(asyncio.wait_for(hotplug.keep_true(never), 10))
