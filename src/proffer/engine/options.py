"""What a training may be told: how much it needs, how far it looks back, what it reports on, how long trees grow."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec

from proffer.app import Pipeline
from proffer.models.base import Ranker
from proffer.models.rankers.boosted import Boosted


class Options(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Options of a training; what is left out is the settings' or the protocol's own.

    `min_interactions` of subjects with items must be in the log; nothing older than `lookback_days` before its end is
    judged or chosen by (features still know it); the newest `validation_split` (0..1) is reported on; boosted trees
    grow at most `num_boost_round` rounds.
    """

    min_interactions: int | None = None
    lookback_days: float | None = None
    validation_split: float | None = None
    num_boost_round: int | None = None

    def over(self, settings: Mapping[str, float]) -> "Options":
        """Return these options, those of settings (`training`) where they say nothing."""
        found = {name: settings.get(name) for name in self.__struct_fields__}
        found |= {name: value for name in found if (value := getattr(self, name)) is not None}
        told = {name: value for name, value in found.items() if value is not None}
        return msgspec.convert(told, Options, strict=False)

    def grown(self, pipeline: Pipeline) -> Pipeline:
        """Return the pipeline with rankers that grow so many rounds."""
        if self.num_boost_round is None:
            return pipeline
        return replace(pipeline, rankers=tuple(_growing(make, self.num_boost_round) for make in pipeline.rankers))


DEFAULT = Options()


def _growing(make: Callable[[], Ranker], rounds: int) -> Callable[[], Ranker]:
    def made() -> Ranker:
        ranker = make()
        if isinstance(ranker, Boosted):
            ranker.growth = replace(ranker.growth, rounds=rounds)
        return ranker

    return made
