"""Objectives by the command line: a slate weighed, what that gains and costs, and a replay weighed otherwise."""

import json

import pytest

from .conftest import Run, parsed

AT = "2026-03-01T10:00:00Z"


@pytest.fixture
def advised(run: Run, tmp_path) -> Run:
    """A workspace `advisor` with an assessment whose surest recommendation saves least."""
    facts = [
        ("r1", {"confidence": 0.9, "saving": 10.0, "risk": 0.1, "category": "security"}),
        ("r2", {"confidence": 0.7, "saving": 500.0, "risk": 0.9, "category": "cost_optimization"}),
        ("r3", {"confidence": 0.5, "saving": 900.0, "risk": 0.5, "category": "performance"}),
    ]
    rows = [
        {"id": id, "at": AT, "type": "entity.set", "actor": {"kind": "recommendation", "id": id},
         "fields": {"assessment": "a1", "title": f"Step {id}", **fields}}
        for id, fields in facts
    ]  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    run("init", "advisor")
    run("import", "advisor", path)
    return run


def ranked(run: Run, *more: object) -> dict:
    return parsed(run("recommend", "advisor", "u1", "--group", "a1", "--json", *more))


def test_a_slate_weighed(advised: Run) -> None:
    assert [item["id"] for item in ranked(advised)["items"]] == ["r1", "r2", "r3"]
    slate = ranked(advised, "--objective", "cost=1", "--objective", "quality=0.2")
    assert [item["id"] for item in slate["items"]] == ["r3", "r2", "r1"]
    assert slate["tradeoff"]["aims"]["cost"]["mean"] > slate["tradeoff"]["aims"]["cost"]["alone"]
    told = " ".join(advised("recommend", "advisor", "u1", "--group", "a1", "--objective", "risk=1").stdout.split())
    assert "What it gains and costs: 95.0% of the relevance kept, 0 items entered" in told
    assert "less r_risk" in told
    assert "Diversity score" in told


def test_what_cannot_be_weighed(advised: Run) -> None:
    def refused(*more: object) -> str:
        return advised("recommend", "advisor", "u1", "--group", "a1", *more, status=1).stderr

    assert "Use one of cost, effort, quality, risk." in refused("--objective", "beauty=1")
    assert "'much' is not a number" in refused("--objective", "cost=much")
    assert "is not NAME=VALUE" in refused("--objective", "cost")
    assert "out of range" in refused("--objective", "cost=nan")
    assert "no weight is above 0" in refused("--objective", "cost=0")
