"""The installed applications, found through entry points."""

from importlib.metadata import EntryPoint, entry_points

from proffer.app import App
from proffer.core.errors import CannotStart, NotFound

GROUP = "proffer.apps"


def applications() -> dict[str, App]:
    """Return every installed application by name, found through the entry points `proffer.apps`."""
    found: dict[str, App] = {}
    for point in entry_points(group=GROUP):
        app = _load(point)
        if app.name in found:
            raise CannotStart(f"two installed applications are named {app.name}", remedy="Uninstall one of them.")
        found[app.name] = app
    return found


def application(name: str) -> App:
    """Return one application. Raises NotFound naming the installed ones, CannotStart for one that cannot be loaded."""
    # The entry point of that name first, so that another's broken one does not stand in the way.
    points = [*entry_points(group=GROUP, name=name)]
    if len(points) == 1 and (app := _load(points[0])).name == name:
        return app
    found = applications()
    if name not in found:
        raise NotFound(f"no application {name[:40]!r} is installed", remedy=f"Use one of {', '.join(sorted(found))}.")
    return found[name]


def _load(point: EntryPoint) -> App:
    try:
        app = point.load()
    except Exception as error:
        message = f"the entry point {point.name} = {point.value} cannot be loaded: {type(error).__name__}: {error}"
        raise CannotStart(message, remedy="Mend or uninstall it.") from error
    if not isinstance(app, App):
        raise CannotStart(f"the entry point {point.name} = {point.value} is not a proffer.app.App")
    return app
