"""What every StateStore must do."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from proffer.core.errors import Invalid
from proffer.core.ports import StateStore

ARRAYS: dict[str, NDArray[Any]] = {
    "rows/user": np.arange(12, dtype=np.float64).reshape(3, 4),
    "unknown": np.array([np.nan, -0.0, np.inf]),
    "ids": np.array(["caf\u00e9", "cafe\u0301", "\U0001f600", ""]),
    "blob": np.frombuffer(b"a\x00b", np.uint8),
    "words": np.array([b"ab", b"c"]),
    "flags": np.array([[True], [False]]),
    "none": np.zeros((0, 5), np.int32),
    "one": np.array(7),
    "turned": np.arange(6, dtype=np.int64).reshape(2, 3).T,
}


class StateStoreContract:
    """Subclass it and give `open`."""

    def open(self, folder: Path) -> AbstractContextManager[StateStore]:
        """Return the store in a folder, opened for writing."""
        raise NotImplementedError

    def test_empty(self, tmp_path: Path) -> None:
        """A new store has nothing."""
        with self.open(tmp_path / "store") as store:
            assert (store.load("v1"), store.positions("v1")) == (None, [])

    def test_dropped(self, tmp_path: Path) -> None:
        """No snapshot of any version is left, and new ones can be kept."""
        with self.open(tmp_path / "store") as store:
            store.drop()
            store.save("v1", 7, ARRAYS)
            store.save("v2", 9, ARRAYS)
            store.drop()
            assert (store.load("v1"), store.load("v2"), store.positions("v1")) == (None, None, [])
            store.save("v1", 11, ARRAYS)
            assert store.positions("v1") == [11]

    def test_arrays_come_back(self, tmp_path: Path) -> None:
        """Every array has its bits, dtype and shape again, and may be written to."""
        with self.open(tmp_path / "store") as store:
            store.save("v1", 7, ARRAYS)
            found = store.load("v1")
        assert found is not None
        position, arrays = found
        assert position == 7
        assert {name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()} == {
            name: (a.dtype, a.shape, a.tobytes()) for name, a in ARRAYS.items()
        }
        arrays["rows/user"][0, 0] = 9.0
        assert arrays["rows/user"][0, 0] == 9.0

    def test_what_was_saved_stays(self, tmp_path: Path) -> None:
        """Changing an array after saving or after loading does not change the snapshot."""
        rows = np.zeros(3)
        with self.open(tmp_path / "store") as store:
            store.save("v1", 1, {"rows": rows})
            rows[:] = 1.0
            for _ in range(2):
                found = store.load("v1")
                assert found is not None
                assert found[1]["rows"].tolist() == [0.0, 0.0, 0.0]
                found[1]["rows"][:] = 2.0

    def test_versions_and_positions(self, tmp_path: Path) -> None:
        """The newest of the version asked for, at or before the position asked for."""
        with self.open(tmp_path / "store") as store:
            for version, position in (("v1", 10), ("v2/../x", 15), ("v1", 20)):
                store.save(version, position, {"rows": np.full(2, position)})
            assert store.positions("v1") == [10, 20]
            assert [found and found[0] for found in (store.load("v1"), store.load("v1", 19), store.load("v1", 9))] == [
                20,
                10,
                None,
            ]
            assert store.positions("v2/../x") == [15]
            assert store.load("v") is None

    def test_only_some_stay(self, tmp_path: Path) -> None:
        """The newest stay, older ones spread over the log; the one just written stays, even at a lower position."""
        with self.open(tmp_path / "store") as store:
            for position in range(1, 21):
                store.save("v1", position * 100, {"rows": np.zeros(1)})
            kept = store.positions("v1")
            assert kept[-3:] == [1800, 1900, 2000]
            assert len(kept) < 10
            assert max(np.diff([0, *kept])) <= 600
            store.save("v2", 5, {"rows": np.zeros(1)})
            assert store.positions("v2") == [5]
            assert store.positions("v1")[-1] == 2000
            assert len(store.positions("v1")) < 10

    def test_the_same_position_again(self, tmp_path: Path) -> None:
        """A snapshot replaces one of the same version and position."""
        with self.open(tmp_path / "store") as store:
            store.save("v1", 1, {"rows": np.zeros(1)})
            store.save("v1", 1, {"rows": np.ones(1)})
            found = store.load("v1")
            assert store.positions("v1") == [1]
        assert found is not None
        assert found[1]["rows"].tolist() == [1.0]

    def test_objects_are_refused(self, tmp_path: Path) -> None:
        """Arrays of Python objects would need pickle, and leave nothing behind."""
        with self.open(tmp_path / "store") as store:
            with pytest.raises(Invalid):
                store.save("v1", 1, {"rows": np.array([object()])})
            assert store.positions("v1") == []
