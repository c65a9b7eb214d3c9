"""Operations on the past: a decision made again, as it was or other than it was."""

from typing import Any

from proffer.api import answers, messages
from proffer.api.operations import ADMIN, BASE, READ, REPLAY, WRITE, Call, Operation
from proffer.api.slates import SLATE
from proffer.core.checks import check_id
from proffer.engine.replay import Change
from proffer.engine.whatif import WhatIf, what_if


def replay(call: Call) -> answers.Replayed:
    """Make a logged decision again, and under a change also what would have been shown."""
    body: messages.Replay = call.body
    change = Change(
        model=None if body.model is None else check_id(body.model, "model"), at=body.at, diversity=body.diversity,
        objectives=body.objectives,
        rules=None if body.rules is None else tuple(body.rules),
    )  # fmt: skip
    return answers.Replayed.of(call.engine.replay(call.path["id"], change))


def replay_period(call: Call) -> WhatIf:
    """Replay a sample of a period under a model version and keep what is found as the version's review."""
    body: messages.ReplayPeriod = call.body
    model = check_id(body.model, "model")
    return what_if(call.engine, model, body.since, body.until, sample=body.sample, seed=body.seed)


MADE = "0.1.0+5f1c9d0a71e24b36 1c2d3e4f znver3-0a1b2c3d"
EQUAL: dict[str, Any] = {
    "decision": "d_1", "verdict": "exact",
    "text": "equal bit for bit, on the same code, packages and processor",
    "differences": [], "ground": {"then": MADE, "now": MADE, "differs": []}, "since": [], "logged": SLATE,
    "again": SLATE, "otherwise": None,
}  # fmt: skip

MEAN: dict[str, float] = {"value": 0.41, "low": 0.38, "high": 0.44}
SIDE = {"p50_ms": 2.1, "p99_ms": 4.0, "fallback": 0.0, "items": 310, "coverage": 0.31}
WHAT_IF: dict[str, Any] = {
    "version": "m_0f3a", "pipeline": "home", "since": "2026-03-01T00:00:00Z", "until": "2026-03-08T00:00:00Z",
    "seed": 0, "decisions": 40_000, "replayed": 1000, "left_out": {}, "versions": {"m_0e11": 1000},
    "verdicts": {"exact": 1000}, "agreement": {"kendall": MEAN, "overlap@10": MEAN}, "logged": SIDE, "model": SIDE,
    "clicks": {
        "decisions": 1000, "subjects": 620, "left_out": {}, "places": 3, "why": None, "logged": MEAN, "ips": MEAN,
        "snips": MEAN, "dr": MEAN, "dm": 0.4, "lead": {"value": 0.02, "low": -0.01, "high": 0.05},
        "depths": [
            {
                "places": 1, "ess": 420.0, "expected_ess": 400.0, "mean_weight": 1.01, "due_weight": 1.0, "lost": 0.0,
                "answers": 90.0, "why": None,
            }
        ],
    },
}  # fmt: skip

OPERATIONS = (
    Operation(
        name="replayDecision",
        method="POST",
        path=f"{BASE}/decisions/{{id}}/replay",
        scope=READ,
        summary="Make a decision again from the log, compare it, and say what a change would have shown; logs nothing.",
        body=messages.Replay,
        returns=answers.Replayed,
        examples={
            "again": {},
            "another model": {"model": "m_0f3a"},
            "more diverse, under other rules": {
                "diversity": 0.5, "rules": [{"do": "cap", "per": "category", "at_most": 2}],
            },
            "a week later": {"at": "2026-02-08T12:00:00Z"},
        },
        answer=EQUAL,
        also={404: "No decision of that id.", 409: "The model or the log of then is gone; the detail says which."},
        lane=REPLAY,
        call=replay,
    ),
    Operation(
        name="replayPeriod",
        method="POST",
        path=f"{BASE}/replay",
        scope=ADMIN,
        summary="Replay a sample of past decisions under a model version, and keep the report with the version.",
        body=messages.ReplayPeriod,
        returns=WhatIf,
        examples={
            "a week": {"from": "2026-03-01T00:00:00Z", "until": "2026-03-08T00:00:00Z", "model": "m_0f3a"},
            "all, a small sample": {"model": "m_0f3a", "sample": 100, "seed": 1},
        },
        answer=WHAT_IF,
        also={404: "No model version of that id.", 409: "The version cannot be loaded, or no decision made again."},
        lane=WRITE,
        call=replay_period,
    ),
)  # fmt: skip
