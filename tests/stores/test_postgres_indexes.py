"""Every query of the log walks an index, in a table that was just filled and in one that has statistics."""

import random
from datetime import timedelta

import msgspec
import pytest

from proffer.core.clock import SystemClock
from proffer.core.entities import EntityRef
from proffer.core.events import Counts
from proffer.stores.postgres.database import Database
from proffer.stores.postgres.log import PostgresLog
from proffer.stores.postgres.tables import make_tables
from proffer.testing import sample_event
from proffer.testing.samples import START

SIZE = 12_000


def at(n):
    return START + timedelta(seconds=n)


QUESTIONS = [
    lambda log: log.get("e77"),
    lambda log: log.last(),
    lambda log: log.find(entity=EntityRef("user", "u7")),
    lambda log: log.find(entity=EntityRef("post", "p7"), after=5000, limit=5),
    lambda log: log.find(entity=EntityRef("post", "p7"), type="rare", since=at(100), until=at(9000)),
    lambda log: log.find(entity=EntityRef("post", "nowhere")),
    lambda log: log.find(query_id="q77"),
    lambda log: log.find(query_id="q77", type="rare", since=at(10)),
    lambda log: log.find(type="rare", after=700),
    lambda log: log.find(type="nowhere"),
    lambda log: log.find(since=at(500), until=at(600)),
    lambda log: log.find(since=at(500), until=at(600), type="rare"),
    lambda log: log.find(after=SIZE - 10),
    lambda log: [*log.scan(SIZE - 20)],
    lambda log: [*log.scan(types=["rare", "nowhere"], chunk=20)],
    lambda log: log.quarantined(),
]


@pytest.fixture(scope="module")
def filled(postgres):
    database = Database(postgres.url(), "proffer_indexes")
    make_tables(database, "indexes")
    log, chance = PostgresLog(database, SystemClock(), database.close), random.Random(5)
    events = [
        sample_event(
            f"e{n}", type="rare" if n % 500 == 0 else "view", user=f"u{chance.randrange(400)}",
            post=f"p{chance.randrange(300)}", after=n, query_id=f"q{n // 10}",
        )
        for n in range(SIZE)
    ]  # fmt: skip
    numbered = [msgspec.structs.replace(event, sequence=n) for n, event in enumerate(events, 1)]
    log.fill([numbered], [], Counts(accepted=SIZE))
    yield log
    log.close()


@pytest.mark.parametrize("question", range(len(QUESTIONS)))
def test_an_index_is_walked(filled, monkeypatch, question):
    asked, ask = [], Database.all
    monkeypatch.setattr(
        Database, "all", lambda self, sql, values=(): asked.append((sql, values)) or ask(self, sql, values)
    )
    QUESTIONS[question](filled)
    assert asked
    for sql, values in asked:
        plan = "\n".join(line for (line,) in ask(filled._database, f"EXPLAIN {sql}", values))
        assert "Seq Scan on events" not in plan, f"{sql}\n{plan}"


def test_known_ids_are_looked_up_one_by_one(filled):
    from proffer.stores.postgres.append import _KNOWN

    # Also right after the table was made, when nobody knows how large it has become.
    for forget in (False, True):
        if forget:
            filled._database.run(
                lambda connection: connection.execute(
                    "UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE oid = 'events'::regclass"
                )
            )
        for ids in (["e1"], [f"e{n}" for n in range(5000)]):
            plan = "\n".join(line for (line,) in filled._database.all(f"EXPLAIN {_KNOWN}", (ids,)))
            assert "Index Scan using events_id" in plan, plan
