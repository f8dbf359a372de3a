"""`python -m acd` is the `acd` command."""

from acd.cli.main import main

main()
