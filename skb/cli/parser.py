"""How the commands that ask no service read their arguments: by argparse, which is loaded in no time."""

from argparse import ArgumentParser
from collections.abc import Callable


def parser_of(name: str, run: Callable[..., None]) -> ArgumentParser:
    """Give the parser of a command; what it is for, the command's docstring says."""
    return ArgumentParser(prog=f"skb {name}", description=(run.__doc__ or "").strip(), allow_abbrev=False)
