"""Ready-made sets come in with every row accounted for, whole or not at all."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proffer.core.errors import Conflict, Corrupt, Invalid, Malformed, NotFound
from proffer.engine.imports.judged import SetReport, bring, like_an_id, recognised, set_name
from proffer.engine.imports.judged_table import Taken
from proffer.engine.judged_set import JudgedSet, unpack
from proffer.stores.sets import FolderSets

LETOR = "2 qid:1 1:0.5 3:1 # doc\n0 qid:1 1:0.25\n1 qid:2 2:-1e-3\n0 qid:1 3:7\n"


class Shelf:
    def __init__(self, folder: Path) -> None:
        self.folder, self.sets = folder, FolderSets(folder / "sets")

    def bring(self, text: str, name: str = "set.txt", *, asked: bool = False, cuts=(), **taken) -> SetReport:
        path = self.folder / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        file = recognised(path, Taken(**taken), asked=asked)
        assert file is not None
        return bring(file, path, set_name(path), self.sets, cuts=cuts, keep=taken.get("keep", ()))

    def get(self, name: str = "set") -> JudgedSet:
        digest, packed = self.sets.get(name)
        return unpack(name, packed, digest)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def four(report: SetReport) -> tuple[int, int, int, int]:
    counts = report.counts
    assert counts.received == report.rows
    return counts.accepted, counts.duplicates, counts.conflicts, counts.quarantined


def test_letor_lists_are_gathered_by_qid_in_order_of_first_mention(shelf: Shelf) -> None:
    report = shelf.bring(LETOR)
    assert four(report) == (4, 0, 0, 0)
    found = shelf.get()
    assert (found.columns, found.queries, found.sizes.tolist()) == (("f1", "f2", "f3"), ("1", "2"), [3, 1])
    assert found.y.tolist() == [2, 0, 0, 1]
    # What a sparse row does not name is 0, not unknown.
    assert found.X[1].tolist() == [0.25, 0, 0]
    assert (report.format, report.lists, report.without, report.grades) == ("svmlight", 2, 0, {"0": 2, "1": 1, "2": 1})


@pytest.mark.parametrize("ending", [".query", ".group"])
def test_a_file_of_sizes_beside_it_tells_the_lists(shelf: Shelf, ending: str) -> None:
    (shelf.folder / f"rank.train{ending}").write_text("2\n0\n1\n")
    assert four(shelf.bring("1 1:1\n0 broken\n2 1:3\n", "rank.train")) == (2, 0, 0, 1)
    # A damaged row keeps its place in the list that the sizes give it.
    assert shelf.get("rank.train").sizes.tolist() == [1, 1]


@pytest.mark.parametrize("sizes", ["2\n", "2\n2\n", "x\n", "-1\n4\n"])
def test_sizes_that_do_not_fit_are_refused(shelf: Shelf, sizes: str) -> None:
    (shelf.folder / "a.query").write_text(sizes)
    with pytest.raises(Invalid):
        shelf.bring("1 1:1\n0 1:2\n2 1:3\n", "a")
    assert shelf.sets.names() == []


def test_without_qid_and_sizes_nothing_can_be_used(shelf: Shelf) -> None:
    with pytest.raises(Malformed, match="none of the 1 rows"):
        shelf.bring("1 1:1\n")


@pytest.mark.parametrize(
    "row",
    ["x qid:1 1:1", "1 qid:1 1:x", "1 qid:1 1:1 1:2", "1 qid:1 99999999:1", "inf qid:1 1:1", "-1 qid:1 1:1",
     "nan qid:1 1:1", "1 qid:1 1:inf", "1 qid:1 1:1e39", "1 qid:1 1:2:3", "99 qid:1 1:1",
     "1 qid:1 1:1\x00", "1 1:1", "1 qid: 1:1", "1 qid:1 -1:1"],
)  # fmt: skip
def test_a_damaged_row_is_kept_with_its_reason(shelf: Shelf, row: str) -> None:
    report = shelf.bring(f"{LETOR}{row}\n")
    assert four(report) == (4, 0, 0, 1)
    origin = shelf.get().origin
    assert (origin.damaged, origin.faults[0].number) == (1, 5)
    assert origin.faults[0].reason == report.causes[0].reason


def test_what_letor_calls_null_is_unknown(shelf: Shelf) -> None:
    assert four(shelf.bring("1 qid:1 1:NULL 2:1\n0 qid:1 1:2 2:0\nNULL qid:1 1:1\n")) == (2, 0, 0, 1)
    assert np.isnan(shelf.get().X[0, 0])


def test_a_document_told_twice_is_a_duplicate_or_a_conflict(shelf: Shelf) -> None:
    rows = ["1 qid:1 1:1 #docid = A", "1 qid:1 1:1 #docid = A", "2 qid:1 1:1 #docid = A", "1 qid:2 1:1 #docid = A",
            "0 qid:2 1:1 #docid = B"]  # fmt: skip
    assert four(shelf.bring("\n".join(rows) + "\n")) == (3, 1, 1, 0)


def test_rows_without_a_document_are_documents_of_their_own(shelf: Shelf) -> None:
    assert four(shelf.bring("1 qid:1 1:1\n1 qid:1 1:1\n")) == (2, 0, 0, 0)


TABLE = "qid,relevance,docid,bm25,age,url\n" + "".join(
    f"q{q},{(q + d) % 3},d{d},{0.5 * d + q},{'' if d == 1 else d % 2},http://x/{d}\n"
    for q in range(6)
    for d in range(4)
)


@pytest.mark.parametrize("name", ["set.csv", "set.csv.gz", "set.tsv"])
def test_a_table_with_a_header_is_told_by_its_names(shelf: Shelf, name: str) -> None:
    text = TABLE.replace(",", "\t") if name.endswith("tsv") else TABLE
    report = shelf.bring(text, name)
    assert four(report) == (24, 0, 0, 0)
    assert report.mapping == {"query": "qid", "grade": "relevance", "id": "docid", "text": ["url"], "drop": [],
                              "header": True}  # fmt: skip
    found = shelf.get()
    assert found.columns == ("bm25", "age")
    assert np.isnan(found.X[1, 1])


def test_a_table_without_a_header_is_query_grade_features(shelf: Shelf) -> None:
    rows = [f"{q}\t{(q * d) % 3 / 2}\thttp://x\t{d * 0.3}\t{q}\t{d * d * 0.1}" for d in range(5) for q in range(10)]
    report = shelf.bring("\n".join(rows) + "\n")
    assert (report.lists, report.features, report.left_out) == (10, 3, {"column 3": "text"})
    assert not report.whole
    assert shelf.get().y.max() == 1.0


@pytest.mark.parametrize(
    "text",
    ["user,post,rating\nu1,p1,4\n", "user,query_id,label,x\nu1,q1,1,2\n",
     "196\t242\t3\t881250949\n" * 9, "a,b\n1,2\n", '{"type": "view"}\n', "[]", "x\n",
     "196\t242\t3\t881250949\t2\t3\n" * 9],
)  # fmt: skip
def test_files_of_events_are_left_to_the_other_import(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x"
    path.write_text(text)
    assert recognised(path, Taken(), asked=False) is None


def test_an_id_is_no_feature_unless_kept(shelf: Shelf) -> None:
    rows = [f"{q},{d % 2},{d},{d * 0.5}" for q in range(30) for d in range(3)]
    text = "query,grade,place,score\n" + "\n".join(rows) + "\n"
    assert list(shelf.bring(text).left_out) == ["place"]
    report = shelf.bring(text, "other.txt", keep=("place",))
    assert report.features == 2
    assert not like_an_id(np.tile(np.float32([0, 1, 1]), 30), np.full(30, 3))


def test_cuts_make_grades_of_a_relevance(shelf: Shelf) -> None:
    rows = [f"1,{value},{place}.5" for place, value in enumerate([0, 0.01, 0.07, 0.1, 0.14, 0.41, 0.61])]
    shelf.bring("query,relevance,x\n" + "\n".join(rows) + "\n", cuts=(0, 0.07, 0.14, 0.41))
    assert shelf.get().y.tolist() == [0, 1, 1, 2, 2, 3, 4]
    with pytest.raises(Invalid, match="ascend"):
        shelf.bring(TABLE, cuts=(0.1, 0))


@pytest.mark.parametrize(
    ("taken", "field"),
    [({"query": "nope"}, "--query"), ({"grade": "qid"}, "grade"), ({"delimiter": "::"}, "--delimiter")],
)
def test_columns_that_do_not_fit_are_named(shelf: Shelf, taken: dict, field: str) -> None:
    with pytest.raises(Invalid) as error:
        shelf.bring(TABLE, asked=True, **taken)
    assert field in str(error.value.field)


def test_a_row_of_another_width_or_without_numbers_is_quarantined(shelf: Shelf) -> None:
    bad = ["q1,1,d9,1", "q1,1,d9,x,1,u", "q1,,d9,1,1,u", ",1,d9,1,1,u", "q1,1,d9,inf,1,u", 'q1,"1,d9,1,1,u']
    report = shelf.bring(TABLE + "\n".join(bad) + "\n")
    assert four(report) == (24, 0, 0, len(bad))


def test_a_repeat_writes_nothing_and_another_set_of_the_name_is_a_conflict(shelf: Shelf) -> None:
    shelf.bring(LETOR)
    files = sorted((shelf.folder / "sets").iterdir())
    before = [path.stat().st_mtime_ns for path in files]
    assert four(shelf.bring(LETOR)) == (0, 4, 0, 0)
    assert [path.stat().st_mtime_ns for path in files] == before
    with pytest.raises(Conflict, match="another set is called set"):
        shelf.bring(LETOR + "1 qid:1 1:9\n")
    assert sorted((shelf.folder / "sets").iterdir()) == files


def test_a_damaged_file_is_found(shelf: Shelf) -> None:
    shelf.bring(LETOR)
    path = next((shelf.folder / "sets").iterdir())
    whole = path.read_bytes()
    for packed in (whole[:-40], whole[:100] + bytes([whole[100] ^ 1]) + whole[101:], b""):
        path.write_bytes(packed)
        with pytest.raises(Corrupt):
            shelf.get()
    with pytest.raises(NotFound, match="nope"):
        shelf.sets.get("nope")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(
    st.from_regex(r"[0-4] qid:[1-3]( [1-9]:0\.[0-9]){0,2}( #docid = [AB])?", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=30),
), max_size=12))  # fmt: skip
def test_counts_add_up_whatever_the_lines(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("sets"))
    text = LETOR + "\n".join(lines) + "\n"
    received = sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in text.split("\n"))
    report = shelf.bring(text)
    assert sum(four(report)) == report.rows == received
    found = shelf.get()
    assert found.sizes.sum() == len(found.y) == report.counts.accepted
    assert found.origin.damaged == report.counts.quarantined + report.counts.conflicts
    assert four(shelf.bring(text)) == (0, received, 0, 0)


@pytest.mark.data
def test_the_real_files() -> None:
    if not (data := os.environ.get("PROFFER_DATA")):
        pytest.skip("PROFFER_DATA is not set")
    folder = Path(data) / "advisor"
    for name, rows, lists in (
        ("yandex_features_train.txt.gz", 12_465, 666),
        ("rank.train", 3_005, 201),
        ("rank.test", 768, 50),
    ):
        file = recognised(folder / name, Taken(), asked=False)
        assert file is not None
        found = list(file.rows())
        assert len(found) == rows
        assert len({row.query for row in found}) == lists  # type: ignore[union-attr]
