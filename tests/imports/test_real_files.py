"""Public files with real faults, where PROFFER_DATA names their folder."""

import csv
import os
from pathlib import Path

import msgspec
import pytest

from .conftest import Desk, four

pytestmark = pytest.mark.data


@pytest.fixture
def data() -> Path:
    folder = os.environ.get("PROFFER_DATA")
    if not folder:
        pytest.skip("PROFFER_DATA is not set")
    return Path(folder)


def test_leads_are_all_there_with_the_wrapped_rows_repaired(desk: Desk, data: Path) -> None:
    path = data / "leads" / "x_education_older_80pct_as_published.csv"
    given = {"entities": "user", "id": "Prospect ID", "attributes": {"country": "Country"}, "outcome": "Converted"}
    report = desk.bring(path, **given)
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    wrapped = [row for row in rows if len(row) == 1]
    assert four(report) == (len(rows), 0, 0, 0)
    assert report.notes == {"repaired rows": len(wrapped)}
    assert len(wrapped) > 200
    inner = next(csv.reader(wrapped[0]))
    assert desk.engine.reader.entity("user", inner[0])["country"] == inner[11]
    found = {column.name: "; ".join(column.suspicious) for column in report.columns}
    assert "'Select'" in found["Specialization"]
    assert found["Magazine"] == "constant: No"
    assert "tells Converted" in found["Tags"]
    assert "tells Converted" in found["Lead Quality"]
    assert "Converted" not in found["Lead Origin"]
    assert four(desk.bring(path, **given)) == (0, len(rows), 0, 0)


def test_deskdrop_needs_no_mapping(desk: Desk, data: Path) -> None:
    path = data / "feed" / "deskdrop_until_2016-10.csv.gz"
    report = desk.bring(path)
    assert four(report) == (61_416, 9, 0, 0)
    assert report.types == {"view": 51_862, "like": 4_918, "bookmark": 2_140, "comment": 1_376, "follow": 1_129}
    assert report.sorted
    assert four(desk.bring(path)) == (0, 61_425, 0, 0)


def test_ratings_movies_and_tags(desk: Desk, data: Path) -> None:
    folder = data / "feed" / "ml-latest-small"
    movies = desk.bring(
        folder / "movies.csv.gz", entities="post", at="1995-01-01T00:00:00Z", attributes={"tags": "genres:|"}
    )
    assert four(movies) == (9_125, 0, 0, 0)
    assert desk.engine.reader.entity("post", "1") == {
        "title": "Toy Story (1995)", "tags": ["Adventure", "Animation", "Children", "Comedy", "Fantasy"],
    }  # fmt: skip
    ratings = desk.bring(folder / "ratings.csv.gz")
    assert four(ratings) == (100_004, 0, 0, 0)
    assert not ratings.sorted
    tags = desk.bring(folder / "tags.csv.gz", fixed_type="comment", fields={"context.tag": "tag"})
    assert four(tags) == (1_296, 0, 0, 0)


def test_naughty_strings_are_taken_or_quarantined_one_by_one(desk: Desk, data: Path) -> None:
    strings = msgspec.json.decode((data / "bad_input" / "blns" / "blns.json").read_bytes())
    path = desk.folder / "naughty.csv"
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title"])
        writer.writerows([f"p{number}", text] for number, text in enumerate(strings))
    report = desk.bring(path, entities="post")
    assert report.rows == len(strings)
    assert sum(four(report)) == len(strings)
    for number, text in enumerate(strings):
        stored = desk.engine.state.attributes(("post", f"p{number}"))
        assert stored is None or stored.get("title", text if not text.strip() else None) == text
