"""`python -m scalec` is the `scalec` command."""

from scalec.cli import main

main()
