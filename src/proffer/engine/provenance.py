"""Where a model version comes from: the code that fitted it, and the range of what it was fitted on."""

from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypedDict

from proffer.features.state import State

PACKAGE = Path(__file__).parents[1]
COMPUTING = ("numpy", "numba", "llvmlite", "scipy", "lightgbm", "msgspec", "holidays", "tzdata")
"""The packages whose version may change a bit of an answer."""


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
    return f"{_version('proffer')}+{found.hexdigest()[:16]}"


@cache
def made() -> str:
    """Return what makes decisions here, as three words: the code, a hash of the packages that compute, the processor.

    Equal bits are promised only where all three are equal.

    >>> code, packages, processor = made().split(" ")
    >>> code == code_version()
    True
    """
    from llvmlite.binding import get_host_cpu_features, get_host_cpu_name

    packages = " ".join(f"{name}={_version(name)}" for name in COMPUTING)
    # A virtual machine may hide what a processor of this name can do, and then other kernels run.
    able = ",".join(sorted(name for name, has in get_host_cpu_features().items() if has))
    return f"{code_version()} {_short(packages)} {get_host_cpu_name()}-{_short(able)}"


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "0"
