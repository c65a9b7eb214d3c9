"""Pseudonyms: the same under the same key, nothing without it; keys by version; the file that keeps them."""

import pytest

from proffer.core.entities import EntityRef
from proffer.core.errors import CannotStart
from proffer.core.pseudonyms import Pseudonyms
from proffer.stores.pseudonym_key import KEY_FILE, load_pseudonyms

ONE, TWO = "11" * 32, "22" * 32
USER = EntityRef("user", "u1")


def test_names_depend_on_key_kind_and_id():
    names = Pseudonyms.read(ONE)
    others = [Pseudonyms.read(TWO).of(USER), names.of(EntityRef("post", "u1")), names.of(EntityRef("user", "u2"))]
    assert names.of(USER) == Pseudonyms.read(f"1:{ONE}").of(USER)
    assert len({names.of(USER), *others}) == 4
    assert names.tombstones("u1")[0].removeprefix("erased_") not in (names.of(USER), *others)
    # A kind and an id cannot be shifted into each other.
    assert names.of(EntityRef("a", "bc")) != names.of(EntityRef("ab", "c"))


def test_the_highest_version_names_and_all_recognise():
    both = Pseudonyms.read(f"1:{ONE}, 2:{TWO}")
    assert both.of(USER).startswith("2-")
    assert both.all_of(USER)[1] == Pseudonyms.read(ONE).of(USER)
    assert both.marks[1] == Pseudonyms.read(ONE).marks[0]
    assert Pseudonyms.read(both.text()).marks == both.marks
    assert ONE not in repr(both) + str(both.marks)


@pytest.mark.parametrize("text", ["", "1:", "nothing", "1:abc", f"x:{ONE}", "11" * 31])
def test_what_is_no_key_is_refused_without_being_shown(text):
    with pytest.raises(CannotStart) as refused:
        Pseudonyms.read(text)
    assert "openssl" in str(refused.value)
    assert "11" * 31 not in str(refused.value)


def test_the_file_is_made_once_and_for_its_owner(tmp_path):
    names = load_pseudonyms(tmp_path)
    path = tmp_path / KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_pseudonyms(tmp_path).of(USER) == names.of(USER)
    assert load_pseudonyms(tmp_path, ONE).of(USER) == Pseudonyms.read(ONE).of(USER)
    assert [part.name for part in tmp_path.iterdir()] == [KEY_FILE]
    path.write_text("nothing")
    with pytest.raises(CannotStart):
        load_pseudonyms(tmp_path)


def test_who_reads_makes_no_file(tmp_path):
    load_pseudonyms(tmp_path, writable=False)
    assert list(tmp_path.iterdir()) == []
