"""`skb probe`: the facts of this machine, or of one that was recorded."""

import gc
from collections.abc import Sequence

from probes import command
from skb.cli.output import Bar, add_form, fail, say_problems, write_facts
from skb.cli.parser import Parser, parser_of


def probe(arguments: Sequence[str]) -> None:
    """Print the facts of this machine, or of a recorded one; what could not be read is said on standard error.

    The exit status is 0 if anything could be read, else 1.
    """
    parser = probe_parser()
    given = parser.parse_args(arguments)
    command.check(given, parser)
    gc.disable()  # a large machine has a hundred thousand facts, which live until the end and hold no cycles
    with Bar(command.parts(given)) as bar:
        found = command.find(given, bar.begin)
    say_problems(found.problems)
    if found.facts:
        write_facts(found.facts, given)
    if nothing := command.nothing_found(given, found):
        fail(nothing)


def probe_parser() -> Parser:
    """Give what reads its arguments."""
    parser = parser_of("probe", probe)
    command.add_arguments(parser)
    add_form(parser)
    return parser
