"""`python -m skb`."""

from skb.cli import main

main()
