"""Operations on a workspace itself: settings, counts."""

from typing import Any

import msgspec

from proffer.api import answers
from proffer.api.operations import ADMIN, BASE, READ, WRITE, Call, Operation
from proffer.app import Settings, unset_settings


def get_settings(call: Call) -> Settings:
    """Return the settings in force."""
    return call.engine.settings


def put_settings(call: Call) -> Settings:
    """Replace the settings: members left out go back to what the application declares."""
    call.engine.app.settings(call.body)
    return call.engine.configure({**unset_settings(), **call.body})


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
        from_memory=True,
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
