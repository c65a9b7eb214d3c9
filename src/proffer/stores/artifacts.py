"""Model versions as content-addressed folders: `models/<id>/` with manifest.json, manifest.sha256 and arrays.npz.

The id is a hash of all that the manifest says but its time; the manifest has the hash of every other file, and
manifest.sha256 that of the manifest, as `sha256sum --check` reads it. All are checked before numpy sees a byte.
"""

import errno
import os
import re
import secrets
import stat
import tempfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from proffer.core.errors import Corrupt, Invalid, NotFound
from proffer.core.ports import ModelVersion
from proffer.stores.durable import PREFIX, flush_folder, refusal, remove, sweep, write_file
from proffer.stores.plain import check_plain

ARRAYS = "arrays.npz"
MANIFEST = "manifest.json"
SEAL = "manifest.sha256"
NAMES = (ARRAYS, MANIFEST, SEAL)
LEFT_OVER_SECONDS = 3600
LATER = ("code", "since", "until", "events")

_ID = re.compile(r"m_[0-9a-f]{32}")


class Artifacts:
    """The folder of model versions of one workspace. Any process may write into it: it never changes what is there.

    >>> from datetime import UTC
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     artifacts = Artifacts(Path(folder))
    ...     version = artifacts.write(describe("main", "popularity", schema="v1", position=9, parameters={"days": 3},
    ...         metrics={}, arrays={"w": np.ones(2)}, at=datetime(2026, 1, 1, tzinfo=UTC)), {"w": np.ones(2)})
    ...     artifacts.read(version.id)[1]["w"]
    array([1., 1.])
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, version: ModelVersion, arrays: Mapping[str, NDArray[Any]]) -> ModelVersion:
        """Write a described version's folder, whole or not at all; return the one already there if it is sound."""
        try:
            return self.check(version.id)
        except (NotFound, Corrupt):
            pass
        manifest = msgspec.json.format(msgspec.json.encode(version), indent=1)
        return self.put(version.id, {ARRAYS: pack(arrays), MANIFEST: manifest, SEAL: _seal(manifest)})

    def put(self, id: str, files: Mapping[str, bytes]) -> ModelVersion:
        """Write a version's folder from the bytes of its files, whole or not at all; one that is damaged is replaced.

        Raises Corrupt for bytes that do not match their hashes.
        """
        final = self._folder / id
        version, _ = checked(id, files, final)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self.sweep(datetime.now(UTC))
            temporary = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self._folder))
        except OSError as error:
            raise refusal(final, error) from error
        try:
            for name in NAMES:
                write_file(temporary / name, lambda file, body=files[name]: file.write(body))  # type: ignore[misc]
            standing = self._name(temporary, final)
            flush_folder(self._folder)
        except OSError as error:
            raise refusal(final, error) from error
        finally:
            remove(temporary)
        return standing or version

    def _name(self, temporary: Path, final: Path) -> ModelVersion | None:
        """Give a whole folder its name, or return the version that another process has put there a moment ago."""
        while True:
            try:
                temporary.rename(final)
                return None
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise
            try:
                return self.check(final.name)
            except (NotFound, Corrupt):
                self._discard(final)

    def _discard(self, path: Path) -> None:
        # Out of the way in one step: nobody shall find it half removed.
        try:
            path.rename(aside := self._folder / f"{PREFIX}{secrets.token_hex(8)}")
        except FileNotFoundError:
            return
        remove(aside)

    def place(self, id: str) -> Path:
        """Return where the folder of a version is, or would be."""
        return self._folder / id

    def files(self, id: str) -> dict[str, bytes]:
        """Return the bytes of a version's files after checking every hash. Raises NotFound or Corrupt."""
        return self.whole(id)[1]

    def whole(self, id: str) -> tuple[ModelVersion, dict[str, bytes]]:
        """Return a version and the bytes of its files after checking every hash. Raises NotFound or Corrupt."""
        version, _, files = self._checked(id)
        return version, files

    def check(self, id: str) -> ModelVersion:
        """Return a version after checking every hash. Raises NotFound or Corrupt."""
        return self._checked(id)[0]

    def read(self, id: str) -> tuple[ModelVersion, dict[str, NDArray[Any]]]:
        """Return a version and its arrays after checking every hash. Raises NotFound or Corrupt."""
        version, packed, _ = self._checked(id)
        return version, unpack(packed)

    def sweep(self, now: datetime) -> None:
        """Remove what killed trainings left behind more than an hour ago."""
        sweep(self._folder, now.timestamp() - LEFT_OVER_SECONDS)

    def _checked(self, id: str) -> tuple[ModelVersion, bytes, dict[str, bytes]]:
        folder = self._folder / id
        if not is_id(id) or not folder.is_dir():
            raise no_version(id)
        _check_names(folder)
        files = {name: _bytes(folder, name) for name in NAMES}
        return *checked(id, files, folder), files


def is_id(id: str) -> bool:
    """Tell whether a text can be the id of a version."""
    return _ID.fullmatch(id) is not None


def no_version(id: str) -> NotFound:
    """Return the error of a version that nobody saved."""
    return NotFound(f"no model version {id[:40]!r}", field="version", remedy="See the list of versions.")


def checked(id: str, files: Mapping[str, bytes], place: Path) -> tuple[ModelVersion, bytes]:
    """Return a version and its packed arrays from the bytes of its files. Raises Corrupt where a hash does not match.

    `place` is what an error names: where the files lie, or would.
    """
    for name in NAMES:
        if name not in files:
            raise Corrupt(f"{place / name} is missing", remedy="Train again, or go back to another version.")
    manifest, packed = files[MANIFEST], files[ARRAYS]
    if files[SEAL] != _seal(manifest):
        raise _altered(place / MANIFEST)
    try:
        version = msgspec.json.decode(manifest, type=ModelVersion)
    except msgspec.DecodeError as error:
        raise _altered(place / MANIFEST) from error
    if version.id != id or identify(version) != id or set(version.files) != {ARRAYS}:
        raise _altered(place / MANIFEST)
    if sha256(packed).hexdigest() != version.files[ARRAYS]:
        raise _altered(place / ARRAYS)
    return version, packed


def describe(
    pipeline: str, name: str, *, schema: str, position: int, parameters: Mapping[str, Any],
    metrics: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], at: datetime, code: str = "",
    since: datetime | None = None, until: datetime | None = None, events: int = 0,
) -> ModelVersion:  # fmt: skip
    """Return the version that this content is: the same content, the same id."""
    files = {ARRAYS: sha256(pack(arrays)).hexdigest()}
    version = ModelVersion(
        id="", pipeline=pipeline, name=name, created_at=at, schema=schema, position=position,
        parameters=_plain(parameters, "parameters"), metrics=_plain(metrics, "metrics"), files=files, code=code,
        since=since, until=until, events=events,
    )  # fmt: skip
    return msgspec.structs.replace(version, id=identify(version))


def identify(version: ModelVersion) -> str:
    """Return the id of a version: a hash of all but its id and time."""
    told = {name: value for name, value in msgspec.structs.asdict(version).items() if name not in ("id", "created_at")}
    # What the report measured by the clock differs from run to run; the manifest's own hash still covers it.
    told["metrics"] = {name: value for name, value in version.metrics.items() if name != "costs"}
    # What a manifest of before these members were told of does not say must not change its id.
    told = {name: value for name, value in told.items() if value or name not in LATER}
    return f"m_{sha256(msgspec.json.encode(told, order='deterministic')).hexdigest()[:32]}"


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as the bytes of an npz file, the same bytes for the same arrays. Raises Invalid for objects."""
    check_plain(arrays)
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(arrays[name]), allow_pickle=False)
    return packed.getvalue()


def unpack(packed: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of npz bytes; nothing pickled is ever loaded."""
    with np.load(BytesIO(packed), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _plain(values: Mapping[str, Any], field: str) -> dict[str, Any]:
    # As JSON gives them back, so that the id of what is read is the id of what was written.
    try:
        return msgspec.json.decode(msgspec.json.encode(dict(values), enc_hook=_number), type=dict[str, Any])
    except (TypeError, ValueError, OverflowError) as error:
        raise Invalid(f"cannot be written as JSON: {error}", field=field, remedy="Use plain values.") from error


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a {type(value).__name__} is no plain value")


def _check_names(folder: Path) -> None:
    """Raise Corrupt unless it is a folder, no link to one, that holds the three files and nothing else."""
    try:
        found = {entry.name for entry in os.scandir(folder)}
    except OSError as error:
        raise Corrupt(f"{folder} cannot be read: {error.strerror}", remedy="Train again.") from error
    wrong = sorted(found.symmetric_difference(NAMES))
    if folder.is_symlink():
        raise Corrupt(f"{folder} is a link", remedy="Put the folder itself there, or train again.")
    if wrong:
        state = "does not belong there" if wrong[0] in found else "is missing"
        raise Corrupt(f"{folder / wrong[0]} {state}", remedy="Train again, or go back to another version.")


def _bytes(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        # A link could be made to point at another file after its hash was checked; a pipe would never end.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(file, "rb") as opened:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise Corrupt(f"{path} is no file", remedy="Train again.")
            return opened.read()
    except OSError as error:
        raise Corrupt(f"{path} cannot be read: {error.strerror}", remedy="Train again.") from error


def _seal(manifest: bytes) -> bytes:
    return f"{sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def _altered(path: Path) -> Corrupt:
    return Corrupt(f"{path} does not match its hash", remedy="Train again, or go back to another version.")
