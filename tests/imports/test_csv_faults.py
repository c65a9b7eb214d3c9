"""CSV as it comes: each fault is repaired, quarantined with its reason, or refused with nothing written."""

import gzip
from collections.abc import Callable

import pytest

from proffer.core.errors import Corrupt, Malformed, NotFound
from proffer.engine.imports.csv_table import SPAN
from proffer.engine.imports.forms import open_table

from .conftest import HEADER, Desk, four

ROW = "1457963676,VIEW,p{0},u{0}"


def rows(*lines: str, header: str = HEADER, end: str = "\n") -> str:
    return end.join((header, *lines, ""))


def good(n: int) -> list[str]:
    return [ROW.format(number) for number in range(n)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end(desk: Desk, end: str) -> None:
    assert four(desk.bring(rows(*good(3), end=end))) == (3, 0, 0, 0)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_delimiter(desk: Desk, delimiter: str) -> None:
    assert four(desk.bring(rows(*good(3)).replace(",", delimiter))) == (3, 0, 0, 0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_recognised(desk: Desk, encoding: str) -> None:
    text = rows("1457963676,VIEW,å,ö", "1457963676,VIEW,ä,日")
    assert four(desk.bring(text.encode(encoding))) == (2, 0, 0, 0)
    assert {event.actor.id for event in desk.events()} == {"ö", "日"}


def test_other_encodings_are_refused_until_named(desk: Desk) -> None:
    data = rows(*["1457963676,VIEW,åäö,ö"] * 3).encode("cp1252")
    with pytest.raises(Malformed, match="--encoding cp1252"):
        desk.bring(data)
    assert four(desk.bring(data, encoding="cp1252")) == (1, 2, 0, 0)
    with pytest.raises(Malformed, match="unknown encoding"):
        desk.bring(data, encoding="klingon")


def test_a_few_bytes_that_are_no_text_cost_their_row_alone(desk: Desk) -> None:
    data = rows(*good(40)).encode().replace(b"p7,", b"p\xff,")
    report = desk.bring(data)
    assert four(report) == (39, 0, 0, 1)
    assert report.causes[0].reason == "the row is not utf-8 text"
    assert report.causes[0].example == 9
    assert "\\udcff" in desk.engine.stores.log.quarantined()[0].reject.raw


def test_a_row_that_is_one_quoted_field_is_read_as_the_row_inside(desk: Desk) -> None:
    inner = '"1457963676,VIEW,""p,7"",u7"'
    report = desk.bring(rows(*good(2), inner))
    assert four(report) == (3, 0, 0, 0)
    assert report.notes == {"repaired rows": 1}
    assert desk.events()[-1].target == ("post", "p,7")


def test_a_quoted_field_of_another_width_is_not_guessed_at(desk: Desk) -> None:
    assert four(desk.bring(rows(*good(2), '"1457963676,VIEW,p7"'))) == (2, 0, 0, 1)


def test_ragged_rows_are_quarantined_with_their_text(desk: Desk) -> None:
    report = desk.bring(rows(*good(2), "1457963676,VIEW,p7", "1457963676,VIEW,p8,u8,extra"))
    assert four(report) == (2, 0, 0, 2)
    assert report.causes[0].count == 2
    assert report.causes[0].reason == "3 fields where the header has 4"
    raws = [row.reject.raw for row in desk.engine.stores.log.quarantined()]
    assert "1457963676,VIEW,p7" in raws[0]
    assert "1457963676,VIEW,p8,u8,extra" in raws[1]


def test_an_unclosed_quote_costs_one_row_only(desk: Desk) -> None:
    lines = good(3 * SPAN)
    lines[5] = '1457963676,VIEW,"p5,u5'
    report = desk.bring(rows(*lines))
    assert four(report) == (3 * SPAN - 1, 0, 0, 1)
    assert report.causes[0].example == 7


def test_an_unclosed_quote_before_quoted_rows_swallows_none(desk: Desk) -> None:
    lines = [f'1457963676,"VIEW","p{n}","u{n}"' for n in range(10)]
    lines[2] = '1457963676,"VIEW","p2,u2'
    assert four(desk.bring(rows(*lines))) == (9, 0, 0, 1)


def test_an_unclosed_quote_at_the_end(desk: Desk) -> None:
    assert four(desk.bring(rows(*good(3)) + '1457963676,VIEW,p9,"u9')) == (3, 0, 0, 1)


def test_fields_over_several_lines_are_one_row(desk: Desk) -> None:
    report = desk.bring('id,title\np1,"two\nlines"\np2,one\n', entities="post")
    assert four(report) == (2, 0, 0, 0)
    assert report.notes == {"rows over several lines": 1}
    assert desk.engine.reader.entity("post", "p1")["title"] == "two\nlines"


def test_a_nul_costs_its_row(desk: Desk) -> None:
    report = desk.bring(rows(*good(3), "1457963676,VIEW,p\x00,u9"))
    assert four(report) == (3, 0, 0, 1)
    assert "\x00" not in desk.engine.stores.log.quarantined()[0].reject.raw


def test_a_field_of_ten_megabytes_costs_its_row(desk: Desk) -> None:
    report = desk.bring(rows(*good(3), f"1457963676,VIEW,{'x' * 10_000_000},u9", *good(5)[3:]))
    assert four(report) == (5, 0, 0, 1)
    assert len(desk.engine.stores.log.quarantined()[0].reject.raw) < 200_000


def test_blank_lines_are_counted_and_no_rows(desk: Desk) -> None:
    report = desk.bring(rows("", *good(2), "", ""))
    assert four(report) == (2, 0, 0, 0)
    assert report.notes == {"blank lines": 3}


def test_a_header_alone_is_no_rows(desk: Desk) -> None:
    report = desk.bring(HEADER + "\n", fixed_type="view", at="2026-01-01T00:00:00Z")
    assert (report.rows, four(report)) == (0, (0, 0, 0, 0))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"   \n"])
def test_an_empty_file_is_refused(desk: Desk, content: bytes) -> None:
    with pytest.raises(Malformed, match="empty"):
        desk.bring(content)


def test_duplicate_headers_are_refused_where_they_matter(desk: Desk) -> None:
    twice = rows("1457963676,VIEW,p1,u1,u2", header=HEADER + ",personId")
    with pytest.raises(Malformed, match="two columns are called 'personId'"):
        desk.bring(twice)
    harmless = rows("1457963676,VIEW,p1,u1,x,y", header=HEADER + ",note,note")
    assert four(desk.bring(harmless)) == (1, 0, 0, 0)


def _junk(desk: Desk) -> bytes:
    return bytes(range(256)) * 300


def _zip(desk: Desk) -> bytes:
    return b"PK\x03\x04" + bytes(100)


def _array(desk: Desk) -> bytes:
    return b'[{"a": 1}]'


@pytest.mark.parametrize("make", [_junk, _zip, _array])
def test_what_is_no_table_is_refused(desk: Desk, make: Callable[[Desk], bytes]) -> None:
    with pytest.raises(Malformed):
        desk.bring(make(desk))


def test_a_truncated_gzip_is_refused_with_nothing_written(desk: Desk) -> None:
    packed = gzip.compress(rows(*[f"{1457963676 + n * 7919},VIEW,p{n * 31},u{n}" for n in range(20_000)]).encode())
    path = desk.file(packed[: len(packed) * 2 // 3])
    with pytest.raises(Corrupt, match="cannot be unpacked beyond line"):
        desk.bring(path)
    assert desk.events() == []
    assert desk.engine.stores.log.counts().received == 0


def test_a_broken_gzip_checksum_is_refused(desk: Desk) -> None:
    packed = bytearray(gzip.compress(rows(*good(3)).encode()))
    packed[-6] ^= 0xFF
    with pytest.raises(Corrupt):
        desk.bring(bytes(packed))


def test_a_missing_file_and_a_folder(desk: Desk) -> None:
    with pytest.raises(NotFound):
        open_table(desk.folder / "nothing.csv")
    with pytest.raises(NotFound):
        open_table(desk.folder)


def test_not_one_readable_row_is_an_error_with_nothing_written(desk: Desk) -> None:
    with pytest.raises(Malformed, match="none of the 30 rows can be read"):
        desk.bring(rows(*good(30)), time_format="%d/%m/%Y")
    assert desk.engine.stores.log.counts().received == 0
