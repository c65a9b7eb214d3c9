"""Who may do what: every operation with no token, a wrong one, one without the scope, one of another workspace."""

import logging

import pytest

from proffer.api.app import create_app
from proffer.api.auth import digest, first_token, mint
from proffer.api.operations import PUBLIC, Operation
from proffer.api.table import OPERATIONS
from proffer.core.errors import CannotStart

from .served import SECRETS, Site

FILL = {
    "workspace": "feed", "kind": "post", "id": "p1", "item": "p1", "subject": "u1", "number": "1", "version": "m_1",
}  # fmt: skip
GUARDED = [each for each in OPERATIONS if each.scope != PUBLIC]
INSIDE = [each for each in GUARDED if "{workspace}" in each.path]


def ask(site: Site, operation: Operation, token: str | None, workspace: str = "feed", **headers: str):
    body = next(iter(operation.examples.values()), None)
    path = operation.path.format(**FILL | {"workspace": workspace})
    return site.send(operation.method, path, body, token=token, headers=headers)


def told(answer) -> dict:
    return {name: value for name, value in answer.json().items() if name != "request_id"}


@pytest.mark.parametrize("operation", GUARDED, ids=lambda each: each.name)
def test_without_a_known_token_nobody_gets_in(site: Site, operation: Operation) -> None:
    answers = [ask(site, operation, token) for token in (None, "pf_wrong", "", "x" * 100_000, "Bearer")]
    answers += [
        ask(site, operation, None, Authorization=f"Basic {SECRETS['feed']}"),
        ask(site, operation, None, "nowhere"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert all(told(answer) == told(answers[0]) for answer in answers)
    assert answers[0].headers["www-authenticate"].startswith("Bearer")
    assert site.engines["feed"].stores.log.counts().received == 0


@pytest.mark.parametrize("operation", GUARDED, ids=lambda each: each.name)
def test_a_token_without_the_scope_is_forbidden(site: Site, operation: Operation) -> None:
    answer = ask(site, operation, "none")
    assert answer.status_code == 403
    assert operation.scope in answer.json()["detail"]
    if operation.scope != "read":
        assert ask(site, operation, "reader").status_code == 403
    assert site.engines["feed"].stores.log.counts().received == 0


@pytest.mark.parametrize("operation", INSIDE, ids=lambda each: each.name)
def test_another_workspace_looks_like_one_that_does_not_exist(site: Site, operation: Operation) -> None:
    foreign, unknown = ask(site, operation, "other"), ask(site, operation, "other", "nowhere")
    assert foreign.status_code == unknown.status_code == 404
    assert told(foreign) == told(unknown) == told(ask(site, operation, "none", "nowhere"))
    assert site.engines["feed"].stores.log.counts().received == 0


@pytest.mark.parametrize("path", ["/health", "/metrics", "/api/v1"])
def test_what_lies_outside_workspaces_shows_the_tokens_own(site: Site, path: str) -> None:
    site.post("/events", {"type": "like", "actor": "u1", "target": "p1"})
    shown = site.send("GET", path, token="other").text
    assert 'feed"' not in shown.replace('"application":"feed"', "")


def test_an_operation_without_a_scope_keeps_the_server_from_starting() -> None:
    stray = Operation(name="stray", method="GET", path="/stray", summary="", call=lambda _: None)
    with pytest.raises(CannotStart, match="declares no scope"):
        create_app({}, operations=(*OPERATIONS, stray))
    with pytest.raises(CannotStart, match="declared twice"):
        create_app({}, operations=(*OPERATIONS, OPERATIONS[0]))


def test_the_first_token_is_shown_once_and_kept_hashed(site: Site) -> None:
    engine = site.engines["other"]
    assert first_token(engine.stores.tokens, engine.clock) is None
    engine.stores.tokens.remove("other")
    secret = first_token(engine.stores.tokens, engine.clock)
    assert secret
    assert len(secret) >= 43
    kept = engine.stores.tokens.all()
    assert [token.digest for token in kept] == [digest(secret)]
    assert secret not in repr(kept)
    assert site.send("GET", "/api/v1/other/stats", token=secret).status_code == 200


def test_a_removed_token_opens_nothing_more(site: Site) -> None:
    assert site.get("/stats", token="reader").status_code == 200
    site.engines["feed"].stores.tokens.remove("reader")
    assert site.get("/stats", token="reader").status_code == 401


def test_the_token_of_this_run_opens_its_workspace_alone() -> None:
    secret = mint()
    site = Site(local={"other": secret})
    assert site.send("GET", "/api/v1/other/stats", token=secret).status_code == 200
    assert site.get("/stats", token=secret).status_code == 404
    site.close()


def test_no_secret_reaches_a_log_or_an_answer(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [site.get("/stats", token=secret) for secret in (*SECRETS.values(), "pf_canary")]
    answers += [site.get("/stats?token=pf_canary"), site.post("/recommend", {"pf_canary": 1})]
    logged = "".join(record.getMessage() for record in caplog.records if record.name.startswith("proffer"))
    seen = logged + "".join(answer.text for answer in answers[:5])
    assert "stats feed 200" in logged
    assert not [secret for secret in (*SECRETS.values(), "pf_canary") if secret in seen]
