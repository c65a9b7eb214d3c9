from datetime import timedelta
from itertools import combinations

import pytest

from proffer.core.entities import EntityRef
from proffer.stores.sqlite import find, readers, sqlite_stores
from proffer.testing import sample_event
from proffer.testing.samples import START

FILTERS = {
    "entity": EntityRef("post", "p1"),
    "query_id": "q1",
    "type": "like",
    "since": START + timedelta(seconds=5),
    "until": START + timedelta(seconds=9000),
}
CHOSEN = [combination for size in range(1, 6) for combination in combinations(FILTERS, size)]


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    made = sqlite_stores(tmp_path_factory.mktemp("log"))
    made.log.append([sample_event(f"e{n}", after=n, query_id="q1" if n % 2 else None) for n in range(2000)])
    yield made
    made.log.close()


@pytest.fixture
def plans(monkeypatch):
    """The plan of every query that is asked, as one text each."""
    seen = []
    ask = readers.Readers.all

    def explain(self, sql, values=()):
        seen.append(" / ".join(row[3] for row in ask(self, f"EXPLAIN QUERY PLAN {sql}", values)))
        return ask(self, sql, values)

    monkeypatch.setattr(readers.Readers, "all", explain)
    return seen


@pytest.mark.parametrize("few", [0, 10_000])
@pytest.mark.parametrize("names", CHOSEN, ids=",".join)
def test_every_find_walks_an_index(stores, plans, monkeypatch, names, few):
    monkeypatch.setattr(find, "FEW", few)
    assert stores.log.find(**{name: FILTERS[name] for name in names}, after=3)
    assert plans
    assert not [plan for plan in plans if "SCAN events" in plan]
    sorts = [plan for plan in plans if "TEMP B-TREE FOR ORDER BY" in plan]
    assert len(sorts) == ({"since", "until"} >= set(names) - {"type"} and set(names) != {"type"} and few > 0)


def test_scans_walk_an_index(stores, plans):
    for types in (None, ["like"], ["like", "view"]):
        assert list(stores.log.scan(types=types, chunk=100))
    scans = [plan for plan in plans if "max(" not in plan and plan]
    assert not [plan for plan in scans if "TEMP B-TREE FOR ORDER BY" in plan]
    assert [plan for plan in scans if plan.count("events_type") == 2]


def test_other_reads_walk_an_index(stores, plans):
    stores.decisions.find(subject=EntityRef("user", "u1"), after="d")
    stores.decisions.find(after="d")
    stores.decisions.get("d")
    stores.registry.history("main")
    stores.registry.champion("main")
    stores.tokens.by_digest("x")
    stores.log.get("e1")
    stores.log.quarantined(after=5)
    assert len(plans) == 8
    assert not [plan for plan in plans if "SCAN" in plan or "TEMP B-TREE" in plan]
