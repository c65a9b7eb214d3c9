"""Many amounts of many scopes read in one pass: what a matrix needs of the rows, before any feature is asked."""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from proffer.features.accumulators.sums import Decayed, Total
from proffer.features.accumulators.tally import Exposures, Tallied
from proffer.features.accumulators.tiles import Window
from proffer.features.accumulators.times import Sessions
from proffer.features.base import Accumulator, Amount
from proffer.features.compile import Floats, Ints, compiled, remaining

Read = tuple[str, Amount]
"""The name of a scope and an amount of its rows."""
_SLOT, _DECAYED, _WINDOW, _TALLIED, _LARGEST = 0, 1, 2, 3, 4


class Reads:
    """The amounts among some reads that one kernel can tell, with where each stands in its scope's rows.

    An amount of a kind it does not know is left to the amount's own `read`, which gives the same bits for all others.
    """

    def __init__(self, wanted: Iterable[Read], starts: Mapping[tuple[str, Accumulator], int]) -> None:
        planned = [(read, _step(read[1], starts[read[0], read[1].state])) for read in wanted]
        known = [(read, step) for read, step in planned if step is not None]
        self.keys: tuple[Read, ...] = tuple(read for read, _ in known)
        self.scopes = tuple(dict.fromkeys(scope for scope, _ in self.keys))
        self.states = tuple(next(read[1].state for read in self.keys if read[0] == scope) for scope in self.scopes)
        steps = [[self.scopes.index(read[0]), *step[0]] for read, step in known]
        self._steps: Ints = np.array(steps, np.int64).reshape(-1, 5)
        self._seconds: Floats = np.array([step[1] for _, step in known], np.float64)
        graded = {place: read[1].weights for place, read in enumerate(self.keys) if isinstance(read[1], Tallied)}
        self._grades: Floats = np.zeros((len(known), max((len(each) for each in graded.values()), default=0)))
        for place, grades in graded.items():
            self._grades[place, : len(grades)] = grades

    def read(self, rows: tuple[Floats, ...], index: tuple[Ints, ...], at: float, n: int) -> list[Floats]:
        """Return each amount (n,) or (1,) in order of `keys`, from rows and the places in them, by scope."""
        out = _read(rows, index, self._steps, self._seconds, self._grades, at, n)
        sizes = [len(places) for places in index]
        return [out[place, : sizes[scope]] for place, scope in enumerate(self._steps[:, 0].tolist())]


def _step(amount: Amount, start: int) -> tuple[tuple[int, int, int, int], float] | None:
    """Return (kind, first slot, last slot or size of the ring, tiles) and seconds of an amount; None if unknown."""
    if type(amount) is Decayed:
        grid = amount.state
        return (_DECAYED, start + grid.half_lives.index(amount.half_life), start + grid.slots - 1, 0), amount.half_life
    if type(amount) is Sessions:
        return (_DECAYED, start, start + 1, 0), amount.half_life
    if type(amount) is Window:
        return (_WINDOW, start, amount.state.count, amount.tiles), amount.state.hop
    if type(amount) is Tallied or type(amount) is Exposures:
        tally = amount.state
        kind = _TALLIED if type(amount) is Tallied else _LARGEST
        return (kind, start, start + len(tally.types), 0), tally.half_life
    return ((_SLOT, start, 0, 0), 0.0) if type(amount) is Total else None


@compiled
def _read(
    rows: tuple[Floats, ...], index: tuple[Ints, ...], steps: Ints, seconds: Floats, grades: Floats, at: float, n: int
) -> Floats:
    out = np.zeros((len(steps), max(n, 1)))
    for step in range(len(steps)):
        table, places = rows[steps[step, 0]], index[steps[step, 0]]
        kind, first, last, width = steps[step, 1], steps[step, 2], steps[step, 3], steps[step, 4]
        now = math.floor(at / seconds[step]) if kind == _WINDOW else 0
        for place in range(places.size):
            row = places[place]
            if row < 0:
                continue
            if kind == _SLOT:
                out[step, place] = table[row, first]
            elif kind == _DECAYED:
                if table[row, first] != 0.0:
                    out[step, place] = table[row, first] * remaining(at - table[row, last], seconds[step])
            elif kind == _TALLIED:
                for column in range(first, last):
                    out[step, place] += grades[step, column - first] * table[row, column]
                if out[step, place] != 0.0:
                    out[step, place] *= remaining(at - table[row, last], seconds[step])
            elif kind == _LARGEST:
                for column in range(first, last):
                    out[step, place] = max(out[step, place], table[row, column])
                if out[step, place] != 0.0:
                    out[step, place] *= remaining(at - table[row, last], seconds[step])
            else:
                head = int(table[row, first])
                for epoch in range(max(now - width, head - last) + 1, min(now, head) + 1):
                    out[step, place] += table[row, first + 1 + epoch % last]
    return out
