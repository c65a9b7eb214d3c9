"""Retrievers whose settings can be told, varied and taken over."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from proffer.core.errors import Invalid
from proffer.models.base import ScoringRetriever


class Tuned(ScoringRetriever):
    """A retriever that keeps each of its `settings` in an attribute of that name and takes it by keyword.

    `alternatives` are other settings worth trying, the most promising first. The `fixed` ones make its name: they are
    told, but not varied nor taken over.
    """

    settings: ClassVar[tuple[str, ...]] = ()
    fixed: ClassVar[tuple[str, ...]] = ()
    alternatives: ClassVar[tuple[Mapping[str, Any], ...]] = ()

    def told(self) -> dict[str, Any]:
        """Return every setting by name."""
        return {name: getattr(self, name) for name in (*self.fixed, *self.settings)}

    def variants(self) -> Sequence[Mapping[str, Any]]:
        """Return the alternatives that differ from its own settings."""
        own = self.told()
        return tuple(one for one in self.alternatives if {**own, **one} != own)

    def varied(self, settings: Mapping[str, Any]) -> Self:
        """Return an unfitted one of the same name with some settings changed. Raises Invalid for one it has not."""
        unknown = sorted(set(settings) - set(self.settings))
        if unknown:
            remedy = f"Use some of {', '.join(self.settings)}."
            raise Invalid(f"{self.name} has no setting {', '.join(unknown)}", field="settings", remedy=remedy)
        return type(self)(**{**self.told(), **settings})

    def take(self, values: Mapping[str, Any]) -> None:
        """Take over settings that `told` gave, each as the type it has here."""
        for name in self.settings:
            if name in values:
                setattr(self, name, type(getattr(self, name))(values[name]))
