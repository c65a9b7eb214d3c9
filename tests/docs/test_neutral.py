"""The repository names no registry, no path of a machine and no account."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = {".git", "node_modules", "site", "dist", "build", "__pycache__"}
REGISTRIES = ("py" + "pi.org", "python" + "hosted", "npm" + "js.")
PLACES = (*REGISTRIES, f"{ROOT}/", f"{Path.home()}/")


def files() -> list[Path]:
    found = []
    for folder, names, leaves in os.walk(ROOT):
        names[:] = [name for name in names if name not in OWN and not (name.startswith(".") and name != ".ci")]
        found += [Path(folder, leaf) for leaf in leaves]
    return found


def test_no_file_names_a_registry_or_a_place() -> None:
    pattern = re.compile("|".join(map(re.escape, PLACES)).encode())
    assert [str(path.relative_to(ROOT)) for path in files() if pattern.search(path.read_bytes())] == []


def test_the_walk_sees_the_lock_and_the_sources() -> None:
    seen = {str(path.relative_to(ROOT)) for path in files()}
    assert {"requirements.lock", "Makefile", "src/proffer/__init__.py", ".ci/run"} <= seen
