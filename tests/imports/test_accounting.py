"""Every row is accounted for, once, whatever happens."""

from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proffer.engine.imports.targets import Direct

from .conftest import HEADER, Desk, four

GOOD = st.builds(
    lambda ts, event, post, user: f"{ts},{event},p{post},u{user}",
    st.integers(1_400_000_000, 1_400_000_050), st.sampled_from(["VIEW", "LIKE"]), st.integers(0, 3), st.integers(0, 3),
)  # fmt: skip
BAD = st.sampled_from(
    ["1400000000,VIEW,p1", "x,VIEW,p1,u1", "1400000000,FLY,p1,u1", '1400000000,VIEW,"p1,u1', "1400000000,VIEW,p1,",
     "1400000000,VIEW,p1,u1,more", "1400000000,VIEW,\x00,u1", "9999999999,VIEW,p1,u1", '"""', 'a"b,VIEW,p1,u"1']
)  # fmt: skip
WRAPPED = GOOD.map(lambda row: f'"{row}"')
FIRST = "1400000000,VIEW,p1,u1"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(GOOD, BAD, WRAPPED), max_size=30))
def test_counts_add_up_and_a_repeat_brings_only_duplicates(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("rows"))
    text = "\n".join([HEADER, FIRST, *rows]) + "\n"
    first = desk.bring(text)
    accepted, _, conflicts, quarantined = four(first)
    assert first.rows == 1 + len(rows)
    assert conflicts == 0
    log = desk.engine.stores.log.counts()
    assert (log.accepted, log.quarantined) == (accepted, quarantined)
    assert four(desk.bring(text)) == (0, first.rows, 0, 0)
    assert desk.engine.stores.log.counts().accepted == accepted


@pytest.mark.parametrize("batches", range(5))
def test_interrupted_and_repeated_equals_uninterrupted(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    monkeypatch.setattr(Direct, "rows", 7)
    rows = [f"{1_400_000_000 + n},VIEW,p{n % 5},u{n % 3},{'SE' if n < 15 else 'NO'}" for n in range(30)]
    text = "\n".join([HEADER + ",userCountry", *rows, "x,VIEW,p1,u1,SE", "short", ""])
    whole = Desk(tmp_path_factory.mktemp("whole"))
    whole.bring(text)
    asked = count()
    cut = desk.bring(text, stop=lambda: next(asked) > batches)
    assert cut.interrupted
    assert cut.unsent > 0
    assert four(cut)[0] < 30
    desk.bring(text)
    assert [(e.id, e.at, dict(e.fields)) for e in desk.events()] == [
        (e.id, e.at, dict(e.fields)) for e in whole.events()
    ]
    assert desk.engine.stores.log.counts().quarantined == whole.engine.stores.log.counts().quarantined == 2


def test_a_dry_run_says_the_same_and_writes_nothing(desk: Desk) -> None:
    text = "\n".join([HEADER, FIRST, FIRST, "1400000001,LIKE,p1,u1", "x,VIEW,p1,u1", "9999999999,VIEW,p1,u1", ""])
    dry = desk.bring(text, dry=True)
    assert dry.dry_run
    assert desk.engine.stores.log.counts().received == 0
    wet = desk.bring(text)
    assert four(dry) == four(wet) == (2, 1, 0, 2)
    assert four(desk.bring(text, dry=True)) == (0, 5, 0, 0)


def test_quarantined_rows_can_be_repaired(desk: Desk) -> None:
    desk.bring("\n".join([HEADER, FIRST, "x,VIEW,p1,u2", ""]))
    waiting = desk.engine.stores.log.quarantined()
    mended = {"type": "view", "actor": "u2", "target": "p1", "at": "2014-05-13T16:53:20Z"}
    desk.engine.record([mended], repairs=waiting[0].number)
    assert desk.engine.stores.log.quarantined() == []
    assert four(desk.bring("\n".join([HEADER, FIRST, "x,VIEW,p1,u2", ""]))) == (0, 2, 0, 0)
