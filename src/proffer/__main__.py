"""`python -m proffer`: the command line."""

from proffer.cli import main

main()
