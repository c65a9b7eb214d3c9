"""Slates of a group by the command line."""

import csv
import json

import pytest

from .conftest import Run, parsed

AT = "2026-03-01T10:00:00Z"


@pytest.fixture
def advised(run: Run, tmp_path) -> Run:
    """A workspace `advisor` with two assessments, one of which has no recommendations."""
    facts = [
        (("assessment", "a1"), {"industry": "bank", "company_size": "large"}),
        (("assessment", "a3"), {}),
        (("recommendation", "r1"), {"assessment": "a1", "title": "Turn on MFA", "confidence": 0.9, "priority": "high"}),
        (("recommendation", "r2"), {"assessment": "a1", "confidence": 0.7}),
        (("recommendation", "x"), {"assessment": "a2", "confidence": 0.99}),
        (("recommendation", "bad"), {"assessment": "a1", "priority": "urgent"}),
    ]
    rows = [
        {"id": f"f{n}", "at": AT, "type": "entity.set", "actor": {"kind": kind, "id": id}, "fields": fields}
        for n, ((kind, id), fields) in enumerate(facts)
    ]
    rows.append({"id": "e1", "at": AT, "type": "click", "actor": "u1", "target": "r2"})
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    run("init", "advisor")
    imported = run("import", "advisor", path)
    assert "'urgent' is no level. Use one of low, medium, high, critical." in " ".join(imported.stdout.split())
    return run


def test_recommend_within_a_group(advised: Run) -> None:
    slate = parsed(advised("recommend", "advisor", "u1", "--group", "a1", "--lambda", 1, "--json"))
    assert [item["id"] for item in slate["items"]] == ["r1", "r2"]
    assert "has no recommendations" in advised("recommend", "advisor", "u1", "--group", "a3").stdout
    assert "no assessment 'a9'" in advised("recommend", "advisor", "u1", "--group", "a9", status=1).stderr
    assert "Send the id of the assessment" in advised("recommend", "advisor", "u1", status=1).stderr
    why = advised("recommend", "advisor", "u1", "--group", "a1", "--explain", "x").stdout
    assert "not among the recommendations of a1" in " ".join(why.split())


def test_batch_recommend_within_a_group(advised: Run, tmp_path) -> None:
    out = tmp_path / "slates.csv"
    advised("batch-recommend", "advisor", "--out", out, "--group", "a1")
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["user"], row["item"]) for row in rows} == {("u1", "r1"), ("u1", "r2")}
    assert "no assessment 'a9'" in advised("batch-recommend", "advisor", "--out", out, "--group", "a9", status=1).stderr
