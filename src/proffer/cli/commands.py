"""All commands under one name, and what becomes of their errors."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from proffer.cli import (
    asking,
    batches,
    checking,
    copying,
    demo,
    evaluating,
    importing,
    log,
    migrating,
    models,
    privacy,
    replaying,
    serving,
    simulating,
    training,
    watching,
    workspaces,
)
from proffer.cli.terminal import show_error
from proffer.core.errors import ProfferError

INTERRUPTED = 130


class Commands(TyperGroup):
    """The commands; an error ends any of them with a message and a remedy on standard error, and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command named."""
        try:
            return super().invoke(ctx)
        except ProfferError as error:
            show_error(error)
        except KeyboardInterrupt:
            show_error(ProfferError("interrupted", remedy="Repeating the command is safe."))
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read the output has seen enough; the last flush must not fail as well.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            place = f": {error.filename}" if error.filename else ""
            show_error(
                ProfferError(f"{error.strerror or error}{place}", remedy="Check the path, its rights, and the disk.")
            )
        raise typer.Exit(1)


app = typer.Typer(
    cls=Commands, name="proffer", add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True,
    help="Decide what to hold out to whom, say why, and get better from what happens next.",
    epilog="Begin with: proffer demo. Each command tells more with --help.",
)  # fmt: skip


@app.callback()
def start(
    ctx: typer.Context,
    home: Annotated[
        Path | None, typer.Option("--home", help="Folder of the workspaces [default: PROFFER_HOME, else .proffer].")
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Show what there is when nothing is asked."""
    if home is not None:
        os.environ["PROFFER_HOME"] = str(home)
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"proffer {version_of('proffer')}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


COMMANDS: dict[str, Callable[..., None]] = {
    "init": workspaces.init, "demo": demo.demo, "serve": serving.serve, "api": serving.api,
    "worker": serving.worker, "import": importing.import_,
    "train": training.train, "jobs": training.jobs, "evaluate": evaluating.evaluate, "simulate": simulating.simulate,
    "recommend": asking.recommend,
    "batch-recommend": batches.batch_recommend, "events": log.events, "features": asking.features,
    "settings": workspaces.settings, "token": workspaces.token, "status": workspaces.status,
    "backup": copying.backup, "restore": copying.restore, "copy": copying.copy,
    "migrate": migrating.migrate, "models": models.models, "replay": replaying.replay,
    "export": privacy.export, "erase": privacy.erase, "check-model": checking.check_model,
    "check-decisions": watching.check_decisions,
}  # fmt: skip

# An id may begin with a minus, which is then no option.
MINUS = {"recommend": {"ignore_unknown_options": True}}

# Started by Proffer itself.
HIDDEN = {"check-model", "check-decisions"}

for name, command in COMMANDS.items():
    app.command(name, context_settings=MINUS.get(name), hidden=name in HIDDEN)(command)


def run() -> None:
    """Run the command line on the arguments of this process; the one way out for what nobody foresaw."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app()
    except Exception as error:
        if os.environ.get("PROFFER_TRACEBACK"):
            raise
        remedy = "This is a fault of Proffer. PROFFER_TRACEBACK=1 shows where it happened."
        show_error(ProfferError(f"{type(error).__name__}: {error}", remedy=remedy))
        sys.exit(1)
