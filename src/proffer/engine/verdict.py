"""Whether a decision that was made again is the one that was logged, and on what ground the two can be compared."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.decisions import Considered, Decision, Placed
from proffer.engine.provenance import made

TOLERANCE = 1e-6
"""What other processors and package versions may differ by, relative to a score or to 1."""
TOLD = 5

Verdict = Literal["exact", "close", "differs", "gone"]
Floats = NDArray[np.float64]
Place = Literal["model", "candidates", "sources", "scores", "order", "slate", "propensities", "reasons"]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that came out otherwise: where, in words what, and whether rounding within 1e-6 explains it."""

    where: Place
    text: str
    within: bool = False


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What made the decision and what made it again: equal bits are promised where nothing `differs`.

    `differs` names those of code, packages and processor that are not the same; `then` is empty for a decision that
    was logged before this was noted, and all three count as not the same.
    """

    then: str
    now: str
    differs: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Return whether code, packages and processor are those of then."""
        return not self.differs

    def text(self) -> str:
        """Return it in words."""
        if not self.then:
            return "logged before code, packages and processor were noted"
        if not self.differs:
            return "the same code, packages and processor"
        return f"since then changed: {', '.join(self.differs)} ({self.then} then, {self.now} now)"


PARTS = ("code", "packages", "processor")


def ground(then: str, now: str | None = None) -> Ground:
    """Return what two marks of `made` have in common.

    >>> ground("0.1+a p1 zen", "0.1+b p1 zen").differs
    ('code',)
    """
    now = made() if now is None else now
    before, after = then.split(" "), now.split(" ")
    if len(before) != len(after):
        return Ground(then=then, now=now, differs=PARTS)
    pairs = zip(PARTS, before, after, strict=True)
    return Ground(then=then, now=now, differs=tuple(name for name, one, other in pairs if one != other))


def compare(logged: Decision, again: Decision) -> tuple[Verdict, tuple[Difference, ...]]:
    """Return whether a decision came out again bit for bit, within rounding, or otherwise, and all that differs."""
    found: list[Difference] = []
    if logged.model != again.model:
        found.append(Difference(where="model", text=f"{again.model} answers instead of {logged.model}"))
    found += _considered(logged.considered, again.considered)
    found += _slates(logged.slate, again.slate)
    if not found:
        return "exact", ()
    return ("close" if all(one.within for one in found) else "differs"), tuple(found)


def _considered(logged: Considered, again: Considered) -> list[Difference]:
    found = []
    lost, new = set(logged.ids) - set(again.ids), set(again.ids) - set(logged.ids)
    if lost or new:
        text = f"{len(lost)} of {len(logged.ids)} candidates are gone{_some(lost)}, {len(new)} are new{_some(new)}"
        found.append(Difference(where="candidates", text=text))
    then, now = _proposals(logged), _proposals(again)
    other = {id for id in then.keys() & now.keys() if then[id] != now[id]}
    if other:
        text = f"{len(other)} candidates are proposed by other sources{_some(other)}"
        found.append(Difference(where="sources", text=text))
    found += _scores("scores", dict(zip(logged.ids, logged.scores, strict=True)),
                     dict(zip(again.ids, again.scores, strict=True)), "candidates")  # fmt: skip
    if not lost and not new and logged.ids != again.ids:
        moved = sum(one != other for one, other in zip(logged.ids, again.ids, strict=True))
        tied = _near(logged.scores, again.scores)
        found.append(Difference(where="order", text=f"{moved} candidates stand at another place", within=tied))
    return found


def _proposals(considered: Considered) -> dict[str, frozenset[str]]:
    """Return the names of the sources that propose each candidate: their bits may be numbered anew."""
    names: dict[int, frozenset[str]] = {}
    for bits in set(considered.proposed):
        names[bits] = frozenset(name for place, name in enumerate(considered.sources) if bits >> place & 1)
    return {id: names[bits] for id, bits in zip(considered.ids, considered.proposed, strict=True)}


def _slates(logged: Sequence[Placed], again: Sequence[Placed]) -> list[Difference]:
    found = []
    then, now = [placed.id for placed in logged], [placed.id for placed in again]
    if then != now:
        tied = len(then) == len(now) and _near([one.score for one in logged], [one.score for one in again])
        places = [str(place) for place, (one, other) in enumerate(zip(then, now, strict=False), 1) if one != other]
        text = f"{len(now)} items instead of {len(then)}" if len(then) != len(now) else "other items stand"
        found.append(Difference(where="slate", text=f"{text}{_at(places)}", within=tied and set(then) == set(now)))
    one, other = {placed.id: placed for placed in logged}, {placed.id: placed for placed in again}
    both = [id for id in then if id in other]
    found += _scores("slate", {id: one[id].score for id in both}, {id: other[id].score for id in both}, "items")
    found += _scores("slate", _by_source(one, both), _by_source(other, both), "scores of sources")
    found += _chances(one, other, both)
    told = [id for id in both if one[id].reasons != other[id].reasons]
    if told:
        codes = all([r.code for r in one[id].reasons] == [r.code for r in other[id].reasons] for id in told)
        text = f"{len(told)} items have other reasons{_some(told)}"
        found.append(Difference(where="reasons", text=text, within=codes))
    return found


def _by_source(placed: Mapping[str, Placed], ids: Sequence[str]) -> dict[str, float]:
    return {f"{id} by {source}": score for id in ids for source, score in placed[id].sources.items()}


def _chances(one: Mapping[str, Placed], other: Mapping[str, Placed], both: Sequence[str]) -> list[Difference]:
    then, now = [one[id].propensity for id in both], [other[id].propensity for id in both]
    drawn = [id for id in both if one[id].explored != other[id].explored]
    if then == now and not drawn:
        return []
    known = [(a, b) for a, b in zip(then, now, strict=True) if a is not None and b is not None]
    within = not drawn and [a is None for a in then] == [b is None for b in now]
    within = within and _near([a for a, _ in known], [b for _, b in known])
    away = sum(a != b for a, b in zip(then, now, strict=True))
    text = f"{away} items were drawn by another chance, {len(drawn)} are no longer or newly explored"
    return [Difference(where="propensities", text=text, within=within)]


def _scores(where: Place, then: Mapping[str, float], now: Mapping[str, float], what: str) -> list[Difference]:
    """Return the difference in numbers of those that are in both; what is in one alone was told elsewhere."""
    both = [id for id in then if id in now]
    a, b = np.array([then[id] for id in both], np.float64), np.array([now[id] for id in both], np.float64)
    # Bits, not values: 0.0 is not -0.0, and what is no number equals itself.
    other = a.view(np.int64) != b.view(np.int64)
    unknown = where == "slate" and then.keys() != now.keys()
    if not other.any() and not unknown:
        return []
    away = float(np.nanmax(np.abs(a - b)[other], initial=0.0))
    text = f"{int(other.sum())} {what} have another score, by {away:.3g} at most"
    return [Difference(where=where, text=text, within=not unknown and _near(a, b))]


def _near(then: "Sequence[float] | Floats", now: "Sequence[float] | Floats") -> bool:
    a, b = np.asarray(then, np.float64), np.asarray(now, np.float64)
    return bool(a.shape == b.shape and np.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))


def _some(ids: "set[str] | Sequence[str]") -> str:
    named = sorted(ids)[:TOLD]
    return f" ({', '.join(named)}{' ...' if len(ids) > TOLD else ''})" if named else ""


def _at(places: Sequence[str]) -> str:
    return f" at places {', '.join(places[:TOLD])}{' ...' if len(places) > TOLD else ''}" if places else ""
