"""`python -m mailglass` is the command `mailglass`."""

from .cli import main

main()
