"""Proffer: a self-hosted recommendation and decision engine.

This is the front door: every public name, loaded when it is first asked for. No module inside imports it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proffer.app import App, Objective, Pipeline, Rule, Settings, Template
    from proffer.bootstrap import create, open_engine
    from proffer.core.decisions import Decision
    from proffer.core.entities import EntityRef
    from proffer.core.errors import ProfferError
    from proffer.core.events import Event
    from proffer.core.queries import Query
    from proffer.core.schema import Attribute, EntityKind, EventType, Field
    from proffer.engine.engine import Engine
    from proffer.engine.replay import Change
    from proffer.features.base import Scope
    from proffer.features.view import FeatureView

_HOMES = {
    "App": "proffer.app",
    "Attribute": "proffer.core.schema",
    "Change": "proffer.engine.replay",
    "Decision": "proffer.core.decisions",
    "Engine": "proffer.engine.engine",
    "EntityKind": "proffer.core.schema",
    "EntityRef": "proffer.core.entities",
    "Event": "proffer.core.events",
    "EventType": "proffer.core.schema",
    "FeatureView": "proffer.features.view",
    "Field": "proffer.core.schema",
    "Objective": "proffer.app",
    "Pipeline": "proffer.app",
    "ProfferError": "proffer.core.errors",
    "Query": "proffer.core.queries",
    "Rule": "proffer.app",
    "Scope": "proffer.features.base",
    "Settings": "proffer.app",
    "Template": "proffer.app",
    "create": "proffer.bootstrap",
    "open_engine": "proffer.bootstrap",
}

__all__ = [
    "App",
    "Attribute",
    "Change",
    "Decision",
    "Engine",
    "EntityKind",
    "EntityRef",
    "Event",
    "EventType",
    "FeatureView",
    "Field",
    "Objective",
    "Pipeline",
    "ProfferError",
    "Query",
    "Rule",
    "Scope",
    "Settings",
    "Template",
    "create",
    "open_engine",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'proffer' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
