"""Which recommendations may be shown at all."""

import numpy as np
from numpy.typing import NDArray

from proffer.core.queries import Query
from proffer.features.state import State


class Unexpired:
    """A recommendation is shown until it expires, and for good where it does not say when."""

    name = "not expired"

    def __call__(self, query: Query, state: State) -> NDArray[np.bool_]:
        """Return which recommendations have not expired (n,)."""
        return self.some(query, state, None)

    def some(self, query: Query, state: State, ordinals: NDArray[np.int64] | None) -> NDArray[np.bool_]:
        """Return which of these have not (m,)."""
        return ~(state.measure("expires", ordinals) <= query.at.timestamp())
