"""The command `skb`."""

from skb.cli.main import main

__all__ = ["main"]
