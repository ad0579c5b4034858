"""Commands that ask no service: probe, record, synth. What is not theirs is not loaded: they are to be quick."""

from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence

from skb.cli.probe import probe, probe_parser
from skb.cli.record import record, record_parser
from skb.cli.synth import synth, synth_parser

COMMANDS: Mapping[str, Callable[[Sequence[str]], None]] = {"probe": probe, "record": record, "synth": synth}
PARSERS: Mapping[str, Callable[[], ArgumentParser]] = {
    "probe": probe_parser,
    "record": record_parser,
    "synth": synth_parser,
}


def run(arguments: Sequence[str]) -> None:
    """Run the command that the first argument names. Raises RecordingError, OSError."""
    COMMANDS[arguments[0]](arguments[1:])
