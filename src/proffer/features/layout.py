"""The layout of rows: which accumulator has which slots of which scope."""

from collections.abc import Iterable, Mapping

from proffer.core.errors import Invalid
from proffer.features.base import Accumulator, Scope

ENTITY_SLOTS = 128
PAIR_SLOTS = 16


class Layout:
    """Scopes with their accumulators and the first slot of each; equal accumulators of a scope share their slots.

    Raises Invalid for a scope nobody declared and for a row beyond its budget: 128 slots (1 kB) for an entity, 16 for
    a pair.
    """

    def __init__(self, scopes: Iterable[Scope], states: Iterable[tuple[str, Accumulator]]) -> None:
        self.scopes: Mapping[str, Scope] = {scope.name: scope for scope in scopes}
        self.starts: dict[tuple[str, Accumulator], int] = {}
        self.widths: dict[str, int] = dict.fromkeys(self.scopes, 0)
        for name, accumulator in states:
            if name not in self.scopes:
                remedy = f"Declare it; there are {', '.join(self.scopes) or 'none'}."
                raise Invalid("unknown scope", field=f"scope {name}", remedy=remedy)
            if (name, accumulator) not in self.starts:
                self.starts[name, accumulator] = self.widths[name]
                self.widths[name] += accumulator.slots
        for name, width in self.widths.items():
            budget = PAIR_SLOTS if self.scopes[name].pair else ENTITY_SLOTS
            if width > budget:
                message = f"a row takes {width} slots, at most {budget} are allowed"
                raise Invalid(message, field=f"scope {name}", remedy="Keep shorter lists, fewer tiles or half-lives.")

    def accumulators(self, scope: str) -> list[tuple[Accumulator, int]]:
        """Return the accumulators of a scope with their first slots."""
        return [(accumulator, start) for (name, accumulator), start in self.starts.items() if name == scope]

    def extended(self, scopes: Iterable[Scope], states: Iterable[tuple[str, Accumulator]]) -> "Layout":
        """Return a layout with more scopes and accumulators; what is laid out already keeps its slots."""
        known = [(name, accumulator) for name, accumulator in self.starts]
        return Layout([*self.scopes.values(), *scopes], [*known, *states])

    def __repr__(self) -> str:
        return f"{list(self.scopes.values())!r} {self.starts!r}"
