"""`skb synth`: the facts of a machine that is not there."""

from collections.abc import Sequence

from skb.cli.output import add_form, fail, say_problems, write_facts
from skb.cli.parser import parser_of


def synth(arguments: Sequence[str]) -> None:
    """Print the facts of a machine that is not there, for what-if questions: described in hwloc's synthetic syntax, or known by name."""
    parser = parser_of("synth", synth)
    parser.add_argument(
        "description", nargs="?", metavar="DESCRIPTION", help='like "pack:2 numa:2 l3:4 core:8 pu:2", or a name'
    )
    parser.add_argument("--list", action="store_true", help="list the machines that are known by name")
    parser.add_argument(
        "--latency",
        metavar="SPEC",
        help='one-way, by the smallest part in common: "core:10ns l3:40ns machine:130ns"; a file with a matrix; or none',
    )
    add_form(parser)
    given = parser.parse_args(arguments)
    from probes.synthetic.description import DescriptionError
    from probes.synthetic.known import MACHINES
    from probes.synthetic.survey import survey

    if given.list:
        for name, machine in MACHINES.items():
            print(f"{name:20} {machine.what}")  # noqa: T201  # this is the terminal
        return
    if given.description is None:
        parser.error("give a description, or a name (--list shows those that are known)")
    try:
        found = survey(given.description, given.latency)
    except DescriptionError as error:
        fail(f"{error.cause}; {error.remedy}\n  {error.text}\n  {' ' * error.place}^")
    say_problems(found.problems)
    write_facts(found.facts, given)
