"""`proffer export` and `proffer erase`, alone and beside a running server."""

import json
from pathlib import Path

from proffer.core.pseudonyms import Pseudonyms

from .conftest import Run, parsed, served

CANARY = "quokka-81ac"


def lived(run: Run, tmp_path: Path) -> None:
    rows = [
        {"id": "q1", "type": "entity.set", "actor": {"kind": "user", "id": CANARY}, "fields": {"language": "sv"}},
        {"id": "q2", "type": "like", "actor": CANARY, "target": "p1"},
        {"id": "q3", "type": "nope", "actor": CANARY},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run("import", "feed", path, "--json")
    path.unlink()


def holding(home: Path) -> list[str]:
    return [
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and CANARY.encode() in path.read_bytes()
    ]


def test_export_and_erase(filled: Run, home: Path, tmp_path: Path) -> None:
    lived(filled, tmp_path)
    found = parsed(filled("export", "feed", CANARY))
    assert (found["attributes"], [event["type"] for event in found["events"]]) == (
        {"language": "sv"}, ["entity.set", "like"],
    )  # fmt: skip
    filled("export", "feed", CANARY, "--out", tmp_path / "copy.json")
    written = json.loads((tmp_path / "copy.json").read_text())
    assert (written["events"], (tmp_path / "copy.json").stat().st_mode & 0o777) == (found["events"], 0o600)
    assert "Add --yes" in filled("erase", "feed", CANARY, status=1).stderr
    told = filled("erase", "feed", CANARY, "nobody-9", "--yes")
    assert "2 events, 0 decisions, 1 refused rows" in told.stdout
    assert "Nothing was known of nobody-9" in told.stdout
    assert holding(home) == []
    assert "nothing is known" in filled("export", "feed", CANARY, status=1).stderr
    assert "nothing is known" in filled("erase", "feed", "nobody-9", "--yes", status=1).stderr
    assert parsed(filled("erase", "feed", CANARY, "--yes", "--json"))["again"]
    assert "unknown kind" in filled("erase", "feed", "x", "--kind", "tree", "--yes", status=1).stderr
    assert "erased" in filled("events", "feed", "--type", "erased").stdout
    lived(filled, tmp_path)
    assert parsed(filled("status", "feed", "--json"))["counts"]["duplicates"] == 2
    assert holding(home) == []


def test_beside_a_server(filled: Run, home: Path, tmp_path: Path) -> None:
    lived(filled, tmp_path)
    with served(home) as child:
        assert parsed(filled("export", "feed", CANARY))["attributes"] == {"language": "sv"}
        told = filled("erase", "feed", CANARY, "--yes", "--json")
        assert f"Through the server at {child.url}" in told.stderr
        assert parsed(told)["events"] == 2
        assert holding(home) == []
        post = filled("erase", "feed", "p1", "--kind", "post", "--yes")
        assert "Erased 1-" in post.stdout
    assert holding(home) == []
    key = Pseudonyms.read((home / "feed" / "pseudonym.key").read_text())
    lines = [json.loads(line) for line in (home / "feed" / "erasures.jsonl").read_text().splitlines()]
    assert [line["pseudonyms"] for line in lines] == [[key.of(("user", CANARY))], [key.of(("post", "p1"))]]
