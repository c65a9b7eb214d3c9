"""The command line: each command calls one verb of the engine and shows what came of it."""


def main() -> None:
    """Run the command line on the arguments of this process."""
    from proffer.cli.commands import run

    run()
