"""Where a model version comes from: the code that fitted it, and the range of what it was fitted on."""

from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypedDict

from proffer.features.state import State

PACKAGE = Path(__file__).parents[1]


class Provenance(TypedDict):
    """What a registry keeps of where a version comes from: see `ModelVersion`."""

    code: str
    since: datetime | None
    until: datetime | None
    events: int


def provenance(state: State) -> Provenance:
    """Return where something fitted on this state by this code comes from."""
    at = state.interactions().at
    span = (datetime.fromtimestamp(float(edge), UTC) for edge in (at.min(), at.max())) if len(at) else (None, None)
    since, until = span
    return Provenance(code=code_version(), since=since, until=until, events=len(at))


@cache
def code_version() -> str:
    """Return the package's version and a hash of its sources: two are alike only where the code is.

    >>> code_version() == code_version(), "+" in code_version()
    (True, True)
    """
    found = sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_bytes()
        found.update(f"{path.relative_to(PACKAGE).as_posix()} {len(source)}\n".encode())
        found.update(source)
    try:
        told = version("proffer")
    except PackageNotFoundError:
        told = "0"
    return f"{told}+{found.hexdigest()[:16]}"
