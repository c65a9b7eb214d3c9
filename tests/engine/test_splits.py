"""Split files: what is read, what is refused, how the earlier phases repeat the cut of the test."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proffer.app import Settings
from proffer.apps.feed.app import app
from proffer.core.errors import Corrupt, Invalid, Malformed
from proffer.engine.protocols import PHASES
from proffer.engine.split_files import read_split
from proffer.engine.splits import split_walk, wanted_type
from tests.engine.pasts import TWO, made_of

WORDS = {"user": "user", "item": "post"}


def written(folder, name, lines):
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def split(folder, train, test, **rest):
    files = written(folder, "train.tsv", train), written(folder, "test.tsv", test)
    return split_walk(app, TWO, *files, **rest)


def rows(*found):
    return ["\t".join(map(str, row)) for row in found]


def lists(walk):
    """Return by phase and user what is wanted of his pool, and how many items he misses."""
    return {
        phase: {
            one.user: ("".join(sorted(one.state.ids[o] for o in one.pool.ordinals[one.relevant])), one.missed)
            for one in walk.phase(phase, 100)
        }
        for phase in PHASES
    }


def test_a_file_with_or_without_a_header_a_time_and_gzip(tmp_path):
    plain = written(tmp_path, "a.tsv", ["u1\ta\t10", "u2\tb\t20"])
    named = written(tmp_path, "b.tsv", ["rating\ttimestamp\tpost_id\tUser ID", "5\t10\ta\tu1", "3\t20\tb\tu2"])
    packed = tmp_path / "c.tsv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for path, header in ((plain, False), (named, True), (packed, False)):
        found = read_split(path, WORDS)
        assert [row[1:] for row in found.rows] == [("u1", "a", 10.0), ("u2", "b", 20.0)]
        assert (found.header, found.times, found.taken, found.damaged) == (header, True, 2, 0)
    two = read_split(written(tmp_path, "d.tsv", ["u1\ta", "u2\tb"]), WORDS)
    assert (two.times, [row.at for row in two.rows]) == (False, [0.0, 0.0])


def test_times_as_they_come(tmp_path):
    same = ["1577836800", "1577836800.0", "1577836800000", "1577836800000000", "2020-01-01", "2020-01-01T00:00:00Z",
            "2020-01-01 01:00:00+01:00"]  # fmt: skip
    found = read_split(written(tmp_path, "t.tsv", [f"u\ta\t{at}" for at in same]), WORDS)
    assert {row.at for row in found.rows} == {1577836800.0}
    assert found.taken == len(same)


def test_every_damaged_line_is_told_with_its_number_and_reason(tmp_path):
    lines = ["u1\ta\t10", "u1", "", "u1\ta\tsoon", "\ta\t5", "u1\tb\x00\t5", f"u1\t{'x' * 300}\t5", "u\ta\t-1",
             "u\ta\tnan", "u1\ta\t5\textra", "u1\tb\t1e300", "u2\tb\t11"]  # fmt: skip
    found = read_split(written(tmp_path, "t.tsv", lines), WORDS)
    assert (found.lines, found.blank, found.damaged, found.taken, found.header) == (12, 1, 9, 2, False)
    assert [one.line for one in found.damages] == [2, 4, 5, 6, 7, 8, 9, 10, 11]
    reasons = {one.line: one.reason for one in found.damages}
    assert reasons[2] == "1 fields where 3 were expected"
    assert reasons[4] == "at: no time: 'soon'"
    assert reasons[6] == "the row holds a NUL character"
    assert reasons[8] == "at: a time before 1970"
    assert found.damages[0].text == "u1"


texts = st.lists(
    st.sampled_from(["u1", "a", "", "12", "\t", "\t", "\r", "x" * 300, "é", "nan", "2020-01-01"]), max_size=6
)


@given(st.lists(texts.map("".join), max_size=12))
@settings(max_examples=80)
def test_lines_add_up_whatever_is_in_them(tmp_path_factory, lines):
    found = read_split(written(tmp_path_factory.mktemp("split"), "t.tsv", lines), WORDS)
    assert found.lines == found.header + found.blank + found.damaged + found.taken
    assert found.taken == len(found.rows)
    assert found.damaged == len(found.damages)


def test_what_is_no_text_and_what_breaks_off_is_refused(tmp_path):
    binary = tmp_path / "x.tsv"
    binary.write_bytes(bytes(range(256)) * 50)
    with pytest.raises(Malformed, match="binary"):
        read_split(binary, WORDS)
    whole = gzip.compress("".join(f"u{n}\ta\n" for n in range(9000)).encode())
    (tmp_path / "y.tsv.gz").write_bytes(whole[:-400])
    with pytest.raises(Corrupt, match="damaged"):
        read_split(tmp_path / "y.tsv.gz", WORDS)


@pytest.mark.parametrize(("train", "test", "name", "why"), [
    ([], ["u\ta"], "train.tsv", "it is empty"),
    (["u\ta"], ["u,a"], "test.tsv", "line 1: 1 fields where user, item and perhaps time were expected"),
    (["u,a"], ["u\ta"], "train.tsv", "line 1: 1 fields"),
])  # fmt: skip
def test_a_file_of_which_nothing_can_be_used_is_named(tmp_path, train, test, name, why):
    with pytest.raises(Invalid, match=f"no row of {name} can be used: {why}"):
        split(tmp_path, train, test)


def test_a_test_after_all_of_train_is_repeated_by_time(tmp_path):
    items = "abcdefghi"
    train = rows(*(("u1", item, 100 * place) for place, item in enumerate(items)), ("u2", "a", 50))
    test = rows(("u1", "a", 2000), ("u2", "c", 2000), ("u2", "c", 2001), ("u2", "new", 2002), ("u3", "b", 2003))
    walk, report = split(tmp_path, train, test)
    assert (report.cut, report.times, walk.name) == ("by time", "given", "split")
    assert (report.wanted, report.repeated, report.known) == (3, 1, 1)
    assert (report.unknown_items, report.unknown_users, report.users, report.items) == (1, 1, 2, 9)
    found = lists(walk)
    assert found["report"] == {"u2": ("c", 1), "u3": ("b", 0)}
    assert found["choose"] == {"u1": ("", 2)}


def test_a_test_of_last_items_is_repeated_by_each_users_last(tmp_path):
    train = rows(
        *(("u1", item, 10 * place) for place, item in enumerate("abcdef")),
        *(("u2", item, 7 + 10 * place) for place, item in enumerate("ab")),
        *(("u3", item, 3) for item in "abcdefgh"),
    )
    test = rows(("u1", "g", 60), ("u2", "c", 30))
    walk, report = split(tmp_path, train, test)
    assert report.cut == "last"
    assert lists(walk) == {
        "blend": {"u1": ("d", 0)}, "learn": {"u1": ("e", 0)},
        "choose": {"u1": ("f", 0), "u2": ("b", 0)}, "report": {"u1": ("g", 0), "u2": ("c", 0)},
    }  # fmt: skip


def test_the_report_is_made_from_train_and_nothing_else(tmp_path):
    train = rows(*((f"u{n % 5}", f"i{n % 7}", n) for n in range(15)))
    one = split(tmp_path, train, rows(("u1", "i5", 100), ("u2", "i6", 101)))[0]
    two = split(tmp_path, train, rows(("u1", "i9", 100), ("u2", "i8", 101), ("u2", "i9", 102)))[0]
    mine = {judged.user: made_of(judged) for judged in one.phase("report", 9)}
    theirs = {judged.user: made_of(judged) for judged in two.phase("report", 9)}
    assert mine
    assert all(theirs[user] == pool for user, pool in mine.items())
    assert len(one.state.interactions().item) == 15


def test_without_times_so_many_of_each_user_are_drawn(tmp_path):
    train = rows(*((f"u{n % 6}", f"i{n}") for n in range(60)))
    test = rows(("u0", "i1"), ("u0", "i2"), ("u1", "i0"), ("u9", "i3"))
    walk, report = split(tmp_path, train, test)
    assert (report.cut, report.times, report.unknown_users) == ("random", "order of rows", 1)
    counts = {phase: {want.query.subject.id: len(want.wanted) for want in walk.upcoming(phase, 10)} for phase in PHASES}
    assert counts == {**{phase: {"u0": 2, "u1": 1} for phase in PHASES}, "report": {"u0": 2, "u1": 1, "u9": 1}}
    drawn = [split(tmp_path, train, test, seed=seed)[0].upcoming("blend", 9) for seed in (0, 0, 5)]
    assert drawn[0] == drawn[1]
    assert [want.wanted for want in drawn[0]] != [want.wanted for want in drawn[2]]


def test_earlier_phases_hold_out_more_and_never_the_same(tmp_path):
    rng = np.random.default_rng(4)
    pairs = sorted({(int(rng.integers(8)), int(rng.integers(40))) for _ in range(150)})
    rng.shuffle(pairs)
    named = [(f"u{user}", f"i{item}") for user, item in pairs]
    walk, report = split(tmp_path, rows(*named[:-20]), rows(*named[-20:]))
    seen, sizes = set(), []
    for phase in PHASES:
        held = {(want.query.subject.id, item) for want in walk.upcoming(phase, 100) for item in want.wanted}
        assert not held & seen
        seen |= held
        sizes.append(len(walk.state.interactions().item))
        for want in walk.upcoming(phase, 100):
            touched = {walk.state.ids[o] for o in walk.state.touched(want.query.subject)}
            assert touched
            assert not touched & set(want.wanted)
    assert sizes == sorted(sizes)
    assert sizes[-1] == report.train.taken
    assert len([*walk.phase("report", 100)]) == len({user for user, _ in named[-20:]})


def test_only_what_train_knows_already_leaves_nothing_to_report(tmp_path):
    walk, report = split(tmp_path, rows(("u", "a"), ("u", "b")), rows(("u", "a")))
    assert (report.wanted, report.known) == (0, 1)
    assert lists(walk) == {phase: {} for phase in PHASES}


@pytest.mark.parametrize("train", [[("u", "a")], [("u", "a", 5)], [("u", "a", 5), ("v", "a", 5)]])
def test_a_tiny_train_yields_lists_or_none(tmp_path, train):
    test = [("u", "b", 9)[: len(train[0])]]
    found = lists(split(tmp_path, rows(*train), rows(*test))[0])
    assert found == {"blend": {}, "learn": {}, "choose": {}, "report": {"u": ("", 1)}}


def test_a_row_stands_for_the_first_event_of_weight_one():
    assert wanted_type(app) == "view"
    assert Settings().labels == {}
