"""Grades: what several events of one subject and item say together."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from proffer.app import App, Settings
from proffer.core.events import Event
from proffer.core.labels import Labels


def weights_in_force(app: App, labels: Mapping[str, float]) -> dict[str, float]:
    """Return the weight of each event type: the one the settings name, else the declared one."""
    return {**app.weights, **labels}


class Grader:
    """What each event is worth by itself: the weight of its type in force, or what its type's scale makes of a field.

    A type whose weight is 0 says nothing, whatever its scale.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        self.labels = app.labels_in_force(settings)
        self.weights = weights_in_force(app, settings.labels)
        self._scales = {name: scale for name, scale in self.labels.scales.items() if self.weights.get(name)}

    def __call__(self, event: Event) -> float:
        """Return the grade of one event, 0 for one that says nothing."""
        scale = self._scales.get(event.type)
        if scale is not None and isinstance(value := event.fields.get(scale.field), int | float):
            return scale.grade(float(value))
        return self.weights.get(event.type, 0.0)


def combine(groups: NDArray[np.int64], weights: NDArray[np.float64], count: int, labels: Labels) -> NDArray[np.float64]:
    """Return one grade for each group 0..count-1 (count,) from the weights of its events (k,), in order of time.

    An event without a weight says nothing, and a group of such events has grade 0.

    >>> combine(np.array([0, 0, 1, 1]), np.array([1.0, 3.0, 4.0, -2.0]), 3, Labels()).tolist()
    [3.0, -2.0, 0.0]
    """
    telling = weights != 0
    groups, weights = groups[telling], weights[telling]
    grades = np.zeros(count)
    if labels.combine == "sum":
        np.add.at(grades, groups, weights)
    elif labels.combine == "last":
        grades[groups] = weights
    else:
        highest = np.full(count, -np.inf)
        np.maximum.at(highest, groups, weights)
        grades = np.where(highest > -np.inf, highest, 0.0)
    lowest, best = np.zeros(count), np.zeros(count)
    np.minimum.at(lowest, groups, weights)
    np.maximum.at(best, groups, weights)
    return np.where((lowest < 0) & (best <= labels.outweighed), lowest, grades)


def graded_items(
    items: NDArray[np.int64], weights: NDArray[np.float64], labels: Labels
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the items that these events of one subject (k,) tell of, in order of first event, and their grades.

    >>> graded_items(np.array([7, 5, 7]), np.array([1.0, 2.0, -2.0]), Labels())
    (array([7, 5]), array([-2.,  2.]))
    """
    telling = weights != 0
    items, weights = items[telling], weights[telling]
    found, first, groups = np.unique(items, return_index=True, return_inverse=True)
    grades = combine(groups, weights, len(found), labels)
    order = np.argsort(first)
    return found[order], grades[order]
