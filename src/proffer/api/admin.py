"""Operations on a workspace itself: settings, models, counts."""

from typing import Any

import msgspec

from proffer.api import answers, messages
from proffer.api.operations import ADMIN, BASE, READ, WRITE, Call, Operation
from proffer.app import Settings


def get_settings(call: Call) -> Settings:
    """Return the settings in force."""
    return call.engine.settings


def put_settings(call: Call) -> Settings:
    """Replace the settings: members left out go back to what the application declares."""
    call.engine.app.settings(call.body)
    empty: dict[str, Any] = {name: {} for name in Settings.__struct_fields__}
    return call.engine.configure({**empty, **call.body})


def models(call: Call) -> answers.Models:
    """Return every pipeline's versions and champion."""
    return answers.Models(pipelines=[_models(call, pipeline.name) for pipeline in call.engine.app.pipelines])


def _models(call: Call, pipeline: str) -> answers.PipelineModels:
    registry = call.engine.stores.registry
    champion, revision = registry.champion(pipeline)
    versions = [
        answers.Version(
            id=version.id,
            name=version.name,
            created_at=version.created_at,
            schema=version.schema,
            position=version.position,
            metrics=version.metrics,
        )
        for version in registry.history(pipeline)
    ]
    return answers.PipelineModels(
        pipeline=pipeline, champion=champion.id if champion else None, revision=revision, versions=versions
    )


def promote(call: Call) -> answers.Promoted:
    """Let a version serve from now on; one that a trainer left in the models' folder is listed first."""
    body: messages.Promote = call.body
    version = call.path["version"]
    revision = call.engine.release(version, body.expected_revision)
    pipeline = call.engine.stores.registry.load(version)[0].pipeline
    return answers.Promoted(pipeline=pipeline, champion=version, revision=revision)


def stats(call: Call) -> answers.Stats:
    """Return what the log received and how far it is folded."""
    engine = call.engine
    counts = engine.stores.log.counts()
    return answers.Stats(
        received=counts.received,
        accepted=counts.accepted,
        duplicates=counts.duplicates,
        conflicts=counts.conflicts,
        quarantined=counts.quarantined,
        last_sequence=engine.stores.log.last(),
        folded=engine.state.position,
        items=len(engine.state.ids),
        decisions_dropped=engine.stores.decisions.dropped(),
    )


EXAMPLE = {"labels": {"like": 3.0, "hide": -5.0}, "diversity": {"home": 0.8}}

OPERATIONS = (
    Operation(
        name="getSettings",
        method="GET",
        path=f"{BASE}/settings",
        scope=READ,
        summary="Return the settings that differ from what the application declares.",
        returns=Settings,
        answer=EXAMPLE,
        call=get_settings,
    ),
    Operation(
        name="putSettings",
        method="PUT",
        path=f"{BASE}/settings",
        scope=ADMIN,
        summary="Replace the settings from now on; members left out go back to what the application declares.",
        body=dict[str, Any],
        shape=Settings,
        returns=Settings,
        examples={"weights": EXAMPLE},
        answer=EXAMPLE,
        lane=WRITE,
        call=put_settings,
    ),
    Operation(
        name="listModels",
        method="GET",
        path=f"{BASE}/models",
        scope=READ,
        summary="List every pipeline's model versions and which one serves.",
        returns=answers.Models,
        answer={"pipelines": [{"pipeline": "home", "champion": None, "revision": 0, "versions": []}]},
        call=models,
    ),
    Operation(
        name="promoteModel",
        method="POST",
        path=f"{BASE}/models/{{version}}/promote",
        scope=ADMIN,
        summary="Let a model version serve from now on, if nobody was faster.",
        body=messages.Promote,
        returns=answers.Promoted,
        examples={"first": {"expected_revision": 0}},
        answer={"pipeline": "home", "champion": "m_0f3a", "revision": 1},
        also={409: "Another version was promoted meanwhile."},
        lane=WRITE,
        call=promote,
    ),
    Operation(
        name="stats",
        method="GET",
        path=f"{BASE}/stats",
        scope=READ,
        summary="Return what the log received, how far it is folded, and how much is known.",
        returns=answers.Stats,
        answer=msgspec.to_builtins(
            answers.Stats(
                received=3, accepted=2, duplicates=1, conflicts=0, quarantined=0, last_sequence=2, folded=2, items=1,
                decisions_dropped=0,
            )
        ),
        call=stats,
    ),
)  # fmt: skip
