"""Operations on models: which there are, which serve and why, and which shall."""

from typing import Any

from proffer.api import answers, messages
from proffer.api.operations import ADMIN, BASE, READ, WRITE, Call, Operation
from proffer.core.errors import NotFound
from proffer.core.ports import ModelVersion
from proffer.engine.status import Origin, status, trained


def models(call: Call) -> answers.Models:
    """Return every pipeline's versions in short and what serves."""
    return answers.Models(pipelines=[_models(call, pipeline.name) for pipeline in call.engine.app.pipelines])


def _models(call: Call, pipeline: str) -> answers.PipelineModels:
    registry, now = call.engine.stores.registry, call.engine.clock.now()
    champion, revision = registry.champion(pipeline)
    return answers.PipelineModels(
        pipeline=pipeline,
        champion=champion.id if champion else None,
        revision=revision,
        versions=[trained(version, now) for version in registry.history(pipeline)],
    )


def model(call: Call) -> answers.Version:
    """Return all that is kept of a version: the report with the whole table, what it learned, its files' hashes."""
    version = _version(call, call.path["version"])
    return answers.Version(
        pipeline=version.pipeline,
        model=Origin.of(version, call.engine.clock.now()),
        serves=call.engine.fitted[version.pipeline].version == version.id,
        report=version.metrics,
        parameters={name: value for name, value in version.parameters.items() if name != "golden"},
        files=version.files,
        reviews=call.engine.stores.registry.reviews(version.id),
    )


def promote(call: Call) -> answers.Promoted:
    """Check a version and let it serve from now on; one that a trainer left in the models' folder is listed first."""
    body: messages.Promote = call.body
    version = call.path["version"]
    revision = call.engine.release(version, body.expected_revision)
    return answers.Promoted(pipeline=_version(call, version).pipeline, champion=version, revision=revision)


def rollback(call: Call) -> answers.Promoted:
    """Take the version out of service; what served before it returns, or the ladder answers where nothing did."""
    found = call.engine.rollback(call.path["version"])
    return answers.Promoted(pipeline=found.pipeline, champion=found.champion, revision=found.revision)


def model_status(call: Call) -> answers.ModelStatus:
    """Return for each pipeline what answers and why, and what is planned."""
    engine, schedule = call.engine, call.site.schedule
    found = []
    for pipeline in engine.app.pipelines:
        planned = None if pipeline.weights else schedule.planned(engine.workspace, pipeline.name).next_run
        found.append(status(engine, pipeline, planned))
    return answers.ModelStatus(pipelines=found)


def model_evaluate(call: Call) -> answers.Evaluated:
    """Return the report a version was saved with: the champion's, or that of the version asked for."""
    query: messages.EvaluatedQuery = call.query
    if query.version is not None:
        version = _version(call, query.version)
        return answers.Evaluated(pipeline=version.pipeline, version=version.id, report=version.metrics)
    engine = call.engine
    pipeline = engine.app.pipeline(query.pipeline) if query.pipeline else engine.app.pipelines[0]
    champion, _ = engine.stores.registry.champion(pipeline.name)
    if champion is None:
        remedy = "Train, or name a version: GET /models."
        raise NotFound(f"no model serves {pipeline.name}", field="version", remedy=remedy)
    return answers.Evaluated(pipeline=pipeline.name, version=champion.id, report=champion.metrics)


def _version(call: Call, id: str) -> ModelVersion:
    registry = call.engine.stores.registry
    for pipeline in call.engine.app.pipelines:
        for version in registry.history(pipeline.name):
            if version.id == id:
                return version
    raise NotFound(f"no model version {id[:40]!r}", field="version", remedy="See the list of versions.")


MODEL = {
    "id": "m_0f3a", "name": "lambdarank", "created_at": "2026-01-31T02:04:00Z", "age_s": 3600.0, "code": "0.1.0+5f1c",
    "schema": "feed-7c1a", "position": 120_000, "since": "2025-11-01T00:00:00Z", "until": "2026-01-31T02:00:00Z",
    "events": 98_000,
}  # fmt: skip
COMPARISON = {
    "protocol": "daily", "champion": "lambdarank", "fallback": "personal", "lists": 1500, "users": 900,
    "ndcg": {"value": 0.31, "low": 0.29, "high": 0.33}, "lead": {"value": 0.04, "low": 0.02, "high": 0.06},
    "wins": True, "why": "lambdarank leads the fallback personal beyond doubt on the report phase",
}  # fmt: skip
SHORT: dict[str, Any] = {"model": MODEL, "comparison": COMPARISON}
PROMOTION = {
    "pipeline": "home", "revision": 1, "version": "m_0f3a", "at": "2026-01-31T02:05:00Z", "how": "promote",
}  # fmt: skip
STATUS = {
    "pipeline": "home", "serves": "model", "rung": None, "why": None, "revision": 1, "schema": "feed-7c1a",
    "exploration": {}, "promotions": [PROMOTION], **SHORT, "latest": None, "job": None,
    "next_training": "2026-02-01T02:00:00Z",
}  # fmt: skip

OPERATIONS = (
    Operation(
        name="listModels",
        method="GET",
        path=f"{BASE}/models",
        scope=READ,
        summary="List every pipeline's model versions and which one serves.",
        returns=answers.Models,
        answer={"pipelines": [{"pipeline": "home", "champion": "m_0f3a", "revision": 1, "versions": [SHORT]}]},
        call=models,
    ),
    Operation(
        name="getModel",
        method="GET",
        path=f"{BASE}/models/{{version}}",
        scope=READ,
        summary="Return a model version: its report with the whole table, what it was fitted on, its files.",
        returns=answers.Version,
        answer={
            "pipeline": "home", "model": MODEL, "serves": True, "report": {"champion": "lambdarank"},
            "parameters": {"weights": {"newest": 1.0}}, "files": {"arrays.npz": "9f86d081"},
            "reviews": [
                {"version": "m_0f3a", "kind": "shadow", "at": "2026-03-08T02:00:00Z", "body": {"replayed": 1000}},
            ],
        },
        call=model,
    ),
    Operation(
        name="promoteModel",
        method="POST",
        path=f"{BASE}/models/{{version}}/promote",
        scope=ADMIN,
        summary="Check a model version and let it serve from now on, if nobody was faster.",
        body=messages.Promote,
        returns=answers.Promoted,
        examples={"first": {"expected_revision": 0}},
        answer={"pipeline": "home", "champion": "m_0f3a", "revision": 1},
        also={409: "Another version was promoted meanwhile, or this one must not serve; the detail says why."},
        lane=WRITE,
        call=promote,
    ),
    Operation(
        name="rollbackModel",
        method="POST",
        path=f"{BASE}/models/{{version}}/rollback",
        scope=ADMIN,
        summary="Take a model version out of service; what served before it returns.",
        returns=answers.Promoted,
        answer={"pipeline": "home", "champion": None, "revision": 2},
        also={409: "The version does not serve, or another one was promoted meanwhile."},
        lane=WRITE,
        call=rollback,
    ),
    Operation(
        name="modelStatus",
        method="GET",
        path=f"{BASE}/model/status",
        scope=READ,
        summary="Return for each pipeline what answers and why, its last training and the next one planned.",
        returns=answers.ModelStatus,
        answer={"pipelines": [STATUS]},
        call=model_status,
    ),
    Operation(
        name="modelEvaluate",
        method="GET",
        path=f"{BASE}/model/evaluate",
        scope=READ,
        summary="Return the stored report of the version that serves, or of another.",
        query=messages.EvaluatedQuery,
        returns=answers.Evaluated,
        answer={"pipeline": "home", "version": "m_0f3a", "report": {"champion": "lambdarank"}},
        call=model_evaluate,
    ),
)  # fmt: skip
