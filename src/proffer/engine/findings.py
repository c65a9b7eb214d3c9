"""What a report says beside its table: what places tell, what the ranker goes by, why there is nothing."""

from proffer.engine.choice import Chosen
from proffer.engine.importance import Importance, importances
from proffer.engine.judge import Judge, Recipe
from proffer.engine.learned import Lists
from proffer.engine.protocols import Walk
from proffer.engine.served import ListsWalk


def nothing(walk: Walk) -> str:
    """Say why a report has no lists."""
    if isinstance(walk, ListsWalk):
        return walk.missing()
    return "nobody wanted anything new in the report phase"


def examination_of(walk: Walk) -> list[float] | None:
    """Return the chance that each place is looked at, from the first on, where lists told it."""
    found = walk.examination if isinstance(walk, ListsWalk) else None
    return None if found is None else [round(float(chance), 4) for chance in found.chances]


def ranking_recipe(chosen: Chosen) -> Recipe | None:
    """Return a recipe that reads the head as the rankers do: the champion's where it has one, else any."""
    best = chosen.recipes[chosen.choice.champion]
    ranking = (recipe for recipe in chosen.recipes.values() if recipe.family == "ranker")
    return best if best.ranker is not None else next(ranking, None)


def explain_ranker(
    chosen: Chosen, table: Judge, heads: Lists, seed: int
) -> tuple[list[Importance], str | None]:  # fmt: skip
    """Return what the champion's ranker goes by, else the one that did best in the report, and its name."""
    champion = chosen.choice.champion
    names = [name for name, recipe in chosen.recipes.items() if recipe.family == "ranker"]
    name = champion if chosen.recipes[champion].ranker is not None else max(names, key=table.mean, default=None)
    ranker = None if name is None else chosen.recipes[name].ranker
    return ([], None) if ranker is None else (importances(ranker, heads, seed), name)
