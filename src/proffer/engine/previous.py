"""The recipe of the model that serves, as a contender: its weights, settings and ranker."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from proffer.app import Pipeline
from proffer.core.errors import ProfferError
from proffer.engine.fitted import restored
from proffer.engine.judge import Recipe

if TYPE_CHECKING:
    from proffer.engine.engine import Engine


@dataclass(frozen=True)
class Previous:
    """What serves: its version and name, its recipe, its retrievers' settings, until when it learned."""

    version: str
    name: str
    recipe: Recipe
    settings: dict[str, dict[str, Any]]
    until: datetime | None

    def notes(self, since: datetime | None, settings: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Say what makes the comparison with it less than fair."""
        found = []
        if since is None or self.until is None or self.until > since:
            found.append(f"the previous model {self.version} learned its weights on time that the report phase covers")
        changed = sorted(
            name for name in self.recipe.weights if self.settings.get(name, {}) != settings.get(name, {})
        )  # fmt: skip
        if changed:
            found.append(f"the previous recipe is judged with the new settings of {', '.join(changed)}")
        return found


def previous_of(engine: "Engine", pipeline: Pipeline) -> Previous | None:
    """Return what serves a pipeline, None without a model or where it does not fit the code any more."""
    version, _ = engine.stores.registry.champion(pipeline.name)
    if version is None or version.schema != engine.app.view.version:
        return None
    try:
        fitted = restored(pipeline, *engine.stores.registry.load(version.id))
    except (ProfferError, KeyError, TypeError, ValueError):
        return None
    choice = version.metrics.get("choice") or {}
    settings = {str(name): dict(values) for name, values in (choice.get("settings") or {}).items()}
    recipe = Recipe(dict(fitted.weights), fitted.ranker, family="previous")
    return Previous(version.id, version.name, recipe, settings, version.until)
