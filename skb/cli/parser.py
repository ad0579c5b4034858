"""How the commands that ask no service read their arguments: by argparse, which is loaded in no time."""

import difflib
import inspect
import re
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from typing import NoReturn

from skb.cli import examples


class Parser(ArgumentParser):
    """A parser that says which option may have been meant."""

    def error(self, message: str) -> NoReturn:
        """End the command with the usage, a message, and status 2."""
        if wrong := re.match(r"unrecognized arguments: (--[a-z-]+)", message):
            near = difflib.get_close_matches(wrong[1], self._option_string_actions, n=1)
            message += f"; did you mean {near[0]}?" if near else ""
        super().error(message)


def parser_of(name: str, run: Callable[..., None]) -> Parser:
    """Give the parser of a command; what it is for, the command's docstring says, and examples end its help."""
    return Parser(
        prog=f"skb {name}",
        description=inspect.cleandoc(run.__doc__ or ""),
        epilog=examples.text(name),
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
