"""What rankers learn from: the best of each list by the first stage, with what each row is worth."""

from proffer.engine.judge import Recipe, Shared, blended, head
from proffer.engine.learned import Lists
from proffer.engine.measure import Measure
from proffer.engine.protocols import Judged


def add_head(heads: Lists, judged: Judged, stage_one: Recipe, shared: Shared | None = None) -> None:
    """Add what a ranker reads and should have known of a list, where a wanted item is among the best of stage one.

    A logged decision is taken with all that it considered, and with the places at which it was shown. What judging the
    list has made already is `shared`.
    """
    if not judged.relevant.any():
        return
    if shared is not None:
        found, best = shared.headed(stage_one)
    else:
        found = blended(judged, stage_one, every=judged.positions is not None)
        best = head(judged, stage_one, found)
    grades, relevant = judged.due(grades=True)[found.rows][best.rows], judged.relevant[found.rows][best.rows]
    gained = judged.due()[found.rows][best.rows]
    if not relevant.any():
        return
    heads.columns = best.columns
    matrix = best.matrix
    if judged.seen is not None:
        seen = judged.seen[found.rows][best.rows]
        matrix, grades, relevant, gained = matrix[seen], grades[seen], relevant[seen], gained[seen]
    shown = None
    if judged.positions is not None and judged.examined is None and judged.seen is None:
        shown = judged.positions[found.rows][best.rows]
    wanted = int(judged.relevant.sum()) + judged.missed
    heads.add(matrix, grades, wanted - int(relevant.sum()), shown, Measure(judged, wanted).weight, gained)
