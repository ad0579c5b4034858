"""`skb synth`: the facts of a machine that is not there, for what-if questions and for tests."""

from collections.abc import Sequence
from pathlib import Path

from skb.cli.output import add_form, fail, say_problems, write_facts, write_json
from skb.cli.parser import Parser, parser_of


def synth(arguments: Sequence[str]) -> None:
    """Print the facts of a machine that is described in hwloc's synthetic syntax, or known by name.

    The exit status is 0, or 1 if the description or the latencies cannot be read.
    """
    given = synth_parser().parse_args(arguments)
    from probes.synthetic.description import DescriptionError
    from probes.synthetic.known import MACHINES
    from probes.synthetic.survey import survey

    if given.list and given.json:
        write_json([{"name": name, "what": machine.what} for name, machine in MACHINES.items()])
        return
    if given.list:
        for name, machine in MACHINES.items():
            print(f"{name:16} {machine.what}")  # noqa: T201  # this is the terminal
        return
    if given.description is None:
        synth_parser().error("give a description, or a name (--list shows those that are known)")
    try:
        found = survey(given.description, given.latency, name=given.name, clock=given.clock)
    except DescriptionError as error:
        fail(error.pointed())
    say_problems(found.problems)
    write_facts(found.facts, given)


def synth_parser() -> Parser:
    """Give what reads its arguments."""
    parser = parser_of("synth", synth)
    parser.add_argument("description", nargs="?", metavar="DESCRIPTION", help="levels from wide to narrow, or a name")
    parser.add_argument("--list", action="store_true", help="list the machines that are known by name")
    parser.add_argument(
        "--latency",
        metavar="SPEC",
        help="one-way latencies by the smallest part in common, like 'core:10ns l3:40ns machine:130ns'; "
        "or a file or folder with those that another program measured; or none",
    )
    parser.add_argument("--clock", metavar="CLOCK", help="of measured latencies in cycles, like 2.4GHz")
    parser.add_argument("--name", help="what to call the machine")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to a file instead of standard output")
    add_form(parser)
    return parser
