"""The front door: one flat, exact, sorted list of names, and light to open."""

import subprocess
import sys
from types import ModuleType

import proffer

HEAVY = ("duckdb", "holidays", "httpx", "numba", "rich", "scipy", "starlette", "typer", "uvicorn")


def test_names_are_sorted_and_each_is_there() -> None:
    assert list(proffer.__all__) == sorted(set(proffer.__all__))
    assert proffer.__all__
    for name in proffer.__all__:
        assert getattr(proffer, name) is not None


def test_dir_shows_exactly_the_names() -> None:
    assert [name for name in dir(proffer) if not name.startswith("_")] == [
        name for name in proffer.__all__ if not name.startswith("_")
    ]


def test_names_are_our_own_and_no_modules() -> None:
    for name in proffer.__all__:
        value = getattr(proffer, name)
        assert not isinstance(value, ModuleType), name
        assert getattr(value, "__module__", "proffer").startswith("proffer"), name


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(proffer, "manager")


def test_opening_it_loads_nothing_heavy() -> None:
    show = f"import sys, proffer; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_star_import_brings_the_same_names() -> None:
    space: dict[str, object] = {}
    exec("from proffer import *", space)  # the one way to see what a star import brings
    assert set(space) - {"__builtins__"} == set(proffer.__all__)
