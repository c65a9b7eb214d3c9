"""What the shipped application declares is written down, in the words of its declaration."""

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import typer

import proffer
from proffer import testing
from proffer.api.metrics import Metrics, engine_metrics
from proffer.api.operations import SCOPES
from proffer.api.table import OPERATIONS
from proffer.app import App, Pipeline, Rule, Settings
from proffer.apps.advisor.app import app as advisor
from proffer.apps.feed.app import app as feed
from proffer.bootstrap import Environment
from proffer.cli.commands import app as commands
from proffer.features.conditions import OPERATORS

DOCS = Path(__file__).parents[2] / "docs"
APPS = pytest.mark.parametrize("app", [feed, advisor], ids=lambda app: app.name)


def unnamed(names: list[str], page: str) -> list[str]:
    """Return the names that a page of docs never gives in code type."""
    text = (DOCS / page).read_text()
    return [name for name in names if f"`{name}`" not in text]


def absent(rows: list[str], page: str) -> list[str]:
    """Return the rows that no line of a page of docs begins with."""
    lines = (DOCS / page).read_text().splitlines()
    return [row for row in rows if not any(line.startswith(row) for line in lines)]


@APPS
def test_each_event_type_and_its_fields(app: App) -> None:
    page = f"applications/{app.name}.md"
    assert absent([f"| `{event.name}` | {event.weight:g} | {event.doc} |" for event in app.events], page) == []
    assert unnamed([field.name for event in app.events for field in event.fields], page) == []


@APPS
def test_each_entity_attribute(app: App) -> None:
    page = f"applications/{app.name}.md"
    assert unnamed([kind.name for kind in app.entities], page) == []
    rows = [f"| `{a.name}` | {a.type} | {a.doc} |" for kind in app.entities for a in kind.attributes]
    assert absent(rows, page) == []


@APPS
def test_each_feature_column_with_formula_and_window(app: App) -> None:
    rows = [f"| `{name}` | {formula} | {window} |" for name, formula, window, _ in app.view.describe()]
    assert absent(rows, f"applications/{app.name}.md") == []


@APPS
def test_each_source_heuristic_condition_and_reason_of_each_pipeline(app: App) -> None:
    names = []
    for pipeline in app.pipelines:
        names += [pipeline.name, *(make().name for make in pipeline.retrievers), *pipeline.heuristics, *pipeline.ladder]
        names += [rule.name for rule in pipeline.rules] + [condition.name for condition in pipeline.eligible]
        names += [template.code for template in pipeline.templates]
    assert unnamed(names, f"applications/{app.name}.md") == []


def test_each_setting() -> None:
    assert unnamed(list(Settings.__struct_fields__), "operations.md") == []


def test_each_environment_variable() -> None:
    assert unnamed([f"PROFFER_{name.upper()}" for name in Environment.__struct_fields__], "operations.md") == []


def test_each_metric() -> None:
    metrics = [*Metrics().registry.collect(), *engine_metrics({})]
    rows = [f"| `{m.name}` | {m.type} | {m.documentation} |" for m in metrics if m.name.startswith("proffer_")]
    assert len(rows) > 3
    assert absent(rows, "operations.md") == []


def test_each_route_with_its_scope() -> None:
    rows = [f"| `{each.method} {each.path}` | {each.scope} | {each.summary} |" for each in OPERATIONS]
    assert absent(rows, "packages/api.md") == []
    assert unnamed(list(SCOPES), "packages/api.md") == []


def test_each_command_and_option() -> None:
    rows = []
    for name, command in typer.main.get_group(commands).commands.items():
        rows.append(f"| `proffer {name}` | {(command.help or '').splitlines()[0]} |")
        options = [each for each in command.params if isinstance(each, typer.core.TyperOption)]
        rows += [f"| `{', '.join(each.opts)}` | {(each.help or '').replace('|', chr(92) + '|')} |" for each in options]
    assert len(rows) > 30
    assert absent(rows, "packages/cli.md") == []


def test_each_decision_is_listed_in_order_of_number() -> None:
    pages = sorted(path.name for path in (DOCS / "decisions").glob("0*.md"))
    listed = re.findall(r"\((0[\w-]+\.md)\)", (DOCS / "decisions/index.md").read_text())
    assert listed == pages
    assert re.findall(r"decisions/(0.*\.md)", (DOCS.parent / "mkdocs.yml").read_text()) == pages


def test_each_verb_member_and_operator_of_a_rule() -> None:
    verbs = get_args(get_type_hints(Rule)["do"])
    assert unnamed([*verbs, *Rule.__struct_fields__, *OPERATORS], "packages/app.md") == []


def test_each_member_of_a_declaration() -> None:
    assert unnamed([field.name for kind in (App, Pipeline) for field in fields(kind)], "packages/app.md") == []


def test_each_contract_suite() -> None:
    assert unnamed([name for name in testing.__all__ if name.endswith("Contract")], "packages/testing.md") == []


def test_each_name_of_the_front_door(book: str) -> None:
    assert [name for name in proffer.__all__ if f"`{name}`" not in book and f"import {name}" not in book] == []


def test_a_missing_name_is_found() -> None:
    assert unnamed(["recommend", "no such name"], "glossary.md") == ["no such name"]


def test_each_route_that_a_page_names_exists() -> None:
    base = "/api/v1/{workspace}"
    there = {(each.method, _filled(each.path)) for each in OPERATIONS}
    named = [
        (page.name, method, path)
        for page in sorted(DOCS.rglob("*.md"))
        for method, path in re.findall(r"`(GET|POST|PUT|DELETE) (/[^ `?]*)", page.read_text())
        if "..." not in path
    ]
    assert len(named) > 90
    missing = [one for one in named if not {(one[1], _filled(one[2])), (one[1], _filled(base + one[2]))} & there]
    assert missing == []


def _filled(path: str) -> str:
    """Return a path with every parameter, and every workspace's name, written alike."""
    return re.sub(r"^/api/v1/[^/]+", "/api/v1/{}", re.sub(r"{[^}]*}", "{}", path))
