"""What a recorded machine says: a bundle, a dump, a foreign topology or a file of facts, decoded in a process of its own.

Its own process, under limits: what is loaded comes from anywhere, and nothing in it should be able to take the service down.
"""

import asyncio
import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from skb.errors import InvalidRequest
from skb.lifeline import die_with_parent

DECODE_SECONDS = 60.0
DECODE_BYTES = 4 * 1024 * 1024 * 1024
"""Address space that decoding may take."""


async def decode(content: bytes, format_: str = "auto") -> tuple[list[dict[str, Any]], list[str]]:
    """Give the facts of a recording, in JSON form, and what could not be read, in words.

    Raises InvalidRequest if it is nothing that is understood.
    """
    with tempfile.TemporaryDirectory(prefix="skb-load-") as folder:
        path = Path(folder) / "upload"
        await asyncio.to_thread(path.write_bytes, content)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "skb.machines.decode", str(os.getpid()), str(path), format_,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            output, _ = await asyncio.wait_for(process.communicate(), DECODE_SECONDS)
        except BaseException as error:
            if process.returncode is None:
                process.kill()
            await process.wait()
            if isinstance(error, TimeoutError):
                raise InvalidRequest(f"this took over {DECODE_SECONDS:g} s to decode; load less of it") from None
            raise
    if process.returncode != 0:
        raise InvalidRequest("this could not be decoded: it needs more memory or time than a machine does")
    survey = msgspec.json.decode(output)
    if refused := survey.get("refused"):
        raise InvalidRequest(refused)
    return survey["facts"], survey["problems"]


def main() -> None:
    """Decode the file, and print facts and problems, or why it is refused, as one JSON document."""
    from probes.fact import to_json  # the service imports this module, and has no use for decoders
    from probes.machine import read
    from probes.recorded import RecordingError

    parent, path, format_ = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    die_with_parent(parent)
    resource.setrlimit(resource.RLIMIT_AS, (DECODE_BYTES, DECODE_BYTES))
    try:
        found = read(path, format_)
    except RecordingError as error:
        place = str(error.place).replace(str(path), "the body")
        answer: dict[str, Any] = {"refused": f"{place}: {error.cause}; {error.remedy}"}
    else:
        problems = [f"{problem.place}: {problem.cause}; {problem.remedy}" for problem in found.problems]
        answer = {"facts": [to_json(fact) for fact in found.facts], "problems": problems}
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
