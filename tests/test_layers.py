"""What import contracts cannot say: no front door inside, no circles at run time, nothing too large to read."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

SOURCE = Path(__file__).parents[1] / "src" / "proffer"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield f"{'.' * node.level}{node.module or ''}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_inner_module_imports_the_front_door(path: Path) -> None:
    names = set(_imported(ast.parse(path.read_text())))
    assert "proffer" not in names
    assert not [name for name in names if name.startswith(".")], "imports are absolute"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_function_is_at_most_sixty_lines_long(path: Path) -> None:
    tree = ast.parse(path.read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    assert not [f"{node.name} has {_length(node)} lines" for node in functions if _length(node) > 60]


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of the body: a command's parameters are its documentation."""
    return (node.end_lineno or node.lineno) - node.body[0].lineno + 1


def test_the_search_finds_the_front_door() -> None:
    bad = "from proffer import App\ndef later():\n    import proffer\n    from . import core"
    assert list(_imported(ast.parse(bad))) == ["proffer", "proffer", "."]


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = grimp.build_graph("proffer", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert imports["proffer.core.schema"] >= {"proffer.core.checks", "proffer.core.events"}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
