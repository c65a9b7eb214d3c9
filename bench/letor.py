"""How good are the rankers on public learning-to-rank sets, beside LightGBM's own defaults and simpler orders?

    python bench/letor.py --data DATA [--seeds 1] [--small]

imports `advisor/yandex_features_train.txt.gz` (5 folds by query) and LightGBM's `advisor/rank.train` with `rank.test`
of the data folder into a workspace of its own, through the functions behind `proffer import` and
`proffer evaluate --set`, and prints the tables. With several seeds, which draw the folds, it also prints each
contender's mean over them. `--small` takes 3 folds and no second file.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from proffer.engine.imports.judged import bring, recognised, set_name
from proffer.engine.imports.judged_table import Taken
from proffer.engine.judged_set import JudgedSet, unpack
from proffer.engine.report import Report
from proffer.engine.set_judging import judge_set
from proffer.stores.sets import FolderSets

YANDEX = "yandex_features_train.txt.gz"


def opened(data: Path, name: str, folder: Path) -> JudgedSet:
    """Import a file and read the set again."""
    sets = FolderSets(folder)
    # Column 4 is named `id` in what comes with the file.
    taken = Taken(drop=("column 4",)) if name == YANDEX else Taken()
    file = recognised(data / "advisor" / name, taken, asked=False)
    assert file is not None
    cuts = (0, 0.07, 0.14, 0.41) if name == YANDEX else ()
    report = bring(file, data / "advisor" / name, set_name(Path(name)), sets, cuts=cuts)
    print(
        f"{name}: {report.rows:,} rows, {report.counts}, {report.lists} lists, {report.without} without a grade above 0"
    )
    return unpack(report.set, sets.get(report.set)[1], report.digest)


def show(report: Report, seconds: float) -> None:
    """Print the table."""
    assert report.judged is not None
    apart = f"{report.judged.without} without a grade above 0"
    print(f"\n{report.protocol}: {report.lists} lists judged, {apart}; {seconds:.0f} s")
    print("| contender | NDCG@5 | NDCG@10 | lead of the champion | over LightGBM lambdarank |\n|---|---|---|---|---|")
    for row in report.rows:
        lead, over = report.leads.get(row.name), report.judged.over_peer.get(row.name)
        told = [
            f"{one.value:+.4f} ({one.low:+.4f} to {one.high:+.4f})" if one is not None else "" for one in (lead, over)
        ]
        five, ten = (row.metrics[name] for name in ("ndcg@5", "ndcg@10"))
        name = f"**{row.name}**" if row.name == report.champion else row.name
        shown = " | ".join(f"{one.value:.4f} ({one.low:.4f}-{one.high:.4f})" for one in (five, ten))
        print(f"| {name} | {shown} | {' | '.join(told)} |")
    print(f"champion: {report.champion}; {report.choice.why}; regret in hindsight {report.regret.value:.4f}")


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="the folder of public data sets")
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--small", action="store_true")
    given = options.parse_args()
    with TemporaryDirectory() as folder:
        yandex = opened(given.data, YANDEX, Path(folder))
        means: dict[str, list[float]] = {}
        for seed in range(given.seeds):
            started = time.perf_counter()
            report = judge_set(yandex, folds=3 if given.small else 5, seed=seed)
            show(report, time.perf_counter() - started)
            for row in report.rows:
                means.setdefault(row.name, []).append(row.metrics["ndcg@10"].value)
        if given.seeds > 1:
            print({name: round(sum(values) / len(values), 4) for name, values in means.items()})
        if not given.small:
            train, test = (opened(given.data, name, Path(folder)) for name in ("rank.train", "rank.test"))
            started = time.perf_counter()
            show(judge_set(train, test), time.perf_counter() - started)


if __name__ == "__main__":
    main()
