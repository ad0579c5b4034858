"""Commands that ask no service: probe, record, synth. What is not theirs is not loaded: they are to be quick."""

from collections.abc import Callable, Mapping, Sequence

from skb.cli.probe import probe
from skb.cli.record import record
from skb.cli.synth import synth

COMMANDS: Mapping[str, Callable[[Sequence[str]], None]] = {"probe": probe, "record": record, "synth": synth}


def run(arguments: Sequence[str]) -> None:
    """Run the command that the first argument names. Raises RecordingError, OSError."""
    COMMANDS[arguments[0]](arguments[1:])
