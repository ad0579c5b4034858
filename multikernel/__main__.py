"""`python -m multikernel`."""

from multikernel.cli import main

main()
