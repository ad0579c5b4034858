"""What a machine says of itself: the live one, probed in a process of its own.

Its own process, since executing CPUID on every core means being pinned to each, and since what a device answers should never be able to
take the service down.
"""

import asyncio
import os
import sys
from typing import Any

import msgspec

from skb.errors import StartFailed
from skb.lifeline import die_with_parent

PROBE_SECONDS = 60.0


async def probe_local() -> tuple[list[dict[str, Any]], list[str]]:
    """Probe this machine. Gives its facts, in JSON form, and what could not be read, in words. Raises StartFailed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # whatever lies in the current directory is no module of ours
        "-m",
        "skb.machines.live",
        str(os.getpid()),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, words = await asyncio.wait_for(process.communicate(), PROBE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise StartFailed(
            f"probing this machine took over {PROBE_SECONDS:g} s; start with --no-probe to do without"
        ) from None
    if process.returncode != 0:
        last = words.decode(errors="replace").strip().splitlines()[-1:]
        raise StartFailed(f"probing this machine failed: {''.join(last)}; start with --no-probe to do without")
    survey = msgspec.json.decode(output)
    return survey["facts"], survey["problems"]


def main() -> None:
    """Probe, and print facts and problems as one JSON document."""
    from probes.fact import to_json  # the service imports this module, and has no use for decoders
    from probes.machine import live, survey

    die_with_parent(int(sys.argv[1]))
    found = survey(live())
    problems = [f"{problem.place}: {problem.cause}; {problem.remedy}" for problem in found.problems]
    sys.stdout.buffer.write(
        msgspec.json.encode({"facts": [to_json(fact) for fact in found.facts], "problems": problems})
    )


if __name__ == "__main__":
    main()
