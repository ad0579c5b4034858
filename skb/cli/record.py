"""`skb record`: this machine in a file, for `skb probe --from` elsewhere or later."""

from collections.abc import Sequence
from pathlib import Path

from skb.cli.output import Bar, fail, say, say_problems, write_json
from skb.cli.parser import Parser, parser_of

PARTS = 8


def record(arguments: Sequence[str]) -> None:
    """Record what this machine says of itself, for `skb probe --from` elsewhere: the bytes, not only the facts."""
    given = record_parser().parse_args(arguments)
    path: Path = given.path
    if path.exists() and not given.force:
        fail(_there(path))
    from importlib.metadata import (
        version,  # decoders, and what they are called, are loaded when the arguments are known to be right
    )

    from probes.machine import live
    from probes.recorded import bundle
    from probes.recorded.anonymous import LEFT_OUT, anonymised

    with Bar(PARTS) as bar:
        answers, found = bundle.record(live(), bar.begin)
        if given.anonymous:
            bar.begin("leaving out what identifies it")
            answers = anonymised(answers)
        bar.begin("writing")
        try:
            size = bundle.write(
                answers,
                path,
                program=f"multikernel-skb {version('multikernel-skb')}",
                left_out=LEFT_OUT if given.anonymous else (),
                replace=given.force,
            )
        except FileExistsError:
            fail(_there(path))
        except OSError as error:
            fail(f"{path}: cannot be written: {error.strerror}; choose another place")
    say_problems(found.problems)
    if given.json:
        write_json({"path": str(path), "bytes": size, "files": len(answers.files), "facts": len(found.facts)})
        return
    say(f"{path}: {size:,} bytes; {len(answers.files):,} files, which give {len(found.facts):,} facts")


def record_parser() -> Parser:
    """Give what reads its arguments."""
    parser = parser_of("record", record)
    parser.add_argument("path", type=Path, metavar="FILE", help="the file to write, like machine.tar.zst")
    parser.add_argument(
        "--anonymous",
        action="store_true",
        help="leave out host name, serial numbers, UUIDs and addresses of network cards",
    )
    parser.add_argument("--force", action="store_true", help="replace the file if there is one")
    parser.add_argument("--json", action="store_true", help="print what was recorded as JSON")
    return parser


def _there(path: Path) -> str:
    return f"{path}: is there already; choose another name, or replace it with --force"
