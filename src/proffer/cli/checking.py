"""`proffer check-model`: what a release runs in a child process before a model may serve."""

import typer

import proffer.bootstrap as bootstrap
from proffer.cli.opening import Home, Name, home_of
from proffer.cli.terminal import show_json
from proffer.core.errors import ProfferError
from proffer.engine.release import check_here


def check_model(
    name: Name,
    version: str = typer.Argument(metavar="VERSION", help="Id of the model version.", show_default=False),
    home: Home = None,
) -> None:
    """Load a model version and answer its golden rows; a release runs this before the version may serve."""
    place = home_of(home)
    app = bootstrap.application(bootstrap.workspace(place, name).app)
    stores = bootstrap.open_stores(place / name, writable=False)
    try:
        show_json({"golden_rows": check_here(app, stores.registry, version)})
    except ProfferError as error:
        show_json({"error": error.message})
        raise typer.Exit(1) from None
    finally:
        stores.log.close()
