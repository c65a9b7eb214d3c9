"""Slates of a group over HTTP."""

from collections.abc import Iterator

import pytest

from tests.engine.grouped import made

from .served import Site


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site(lambda name: made(name=name))
    yield served
    served.close()


def test_a_group_is_ranked_explained_and_logged(site):
    slate = site.post("/recommend", {"subject": "u1", "group": "a1", "n": 3})
    assert slate.status_code == 200
    assert [item["id"] for item in slate.json()["items"]] == ["r0", "r2", "r1"]
    logged = site.get(f"/decisions/{slate.json()['decision']}").json()
    assert (logged["group"], logged["candidates"]) == ("a1", None)
    explained = site.post("/explain", {"subject": "u1", "group": "a1", "item": "x"}).json()
    assert (explained["shown"], explained["steps"][-1]["step"]) == (False, "proposed")
    assert site.post("/explain", {"subject": "u1", "group": "a1", "item": "r3"}).json()["rank"] == 4
    replayed = site.post(f"/decisions/{slate.json()['decision']}/replay", {})
    assert (replayed.status_code, replayed.json()["verdict"]) == (200, "exact")


def test_a_group_without_members_is_an_empty_answer_that_says_why(site):
    slate = site.post("/recommend", {"subject": "u1", "group": "a3"})
    assert slate.status_code == 200
    assert (slate.json()["items"], slate.json()["fallback"]) == ([], "the assessment a3 has no recommendations")


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/recommend", {"group": "a9"}, 404, "group"),
        ("/explain", {"group": "a9", "item": "r0"}, 404, "group"),
        ("/recommend", {"group": ""}, 422, "group"),
        ("/recommend", {"group": 3}, 422, "group"),
        ("/recommend", {"group": "a\u0000"}, 422, "group"),
        ("/recommend", {}, 422, "candidates"),
        ("/rank", {"group": "a1", "candidates": ["r0"]}, 422, "candidates"),
    ],
)
def test_what_cannot_be_ranked_says_what_to_do(site, path, body, status, field):
    answer = site.post(path, {"subject": "u1", **body})
    assert answer.status_code == status, answer.text
    assert answer.json()["field"] == field
    assert answer.json()["remedy"]


def test_the_workspace_tells_whose_members_are_ranked(site):
    (workspace,) = site.send("GET", "/api/v1").json()["workspaces"]
    assert (workspace["item"], workspace["group"]) == ("recommendation", "assessment")
