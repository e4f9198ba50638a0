"""Copies a running installation into one file, and puts it back.

The parts must fit together: an event that the spool has let go must stand in the history, and the
journal must reach at least as far as the history has read it. So the spool is held still for the
moment in which both databases are pinned to one state each; the copies are then taken from those
states while everything goes on. The journal is read last, up to where it is on stable storage by
then. What lies between the history's place in it and its end, ingest reads after the restore.

    manifest.json      what this is, when, by which version; a digest of every other member
    history.db         the history on SQLite; or history/<table>, as PostgreSQL's COPY gives it
    spool.db           accepted mail and what waits to be sent
    journal/           segments and `end`
    attachments/       stored files
    reports.jsonl      imported DMARC and TLS reports
    token-keys, guard-proxy-key, objections, kill-switch, networks/, settings.toml

A restore that ends early takes away what it had written, or leaves its mark, by which the next one
into that directory knows that nothing there is anybody's.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from .. import __version__
from ..errors import InputError, StorageUnavailable
from ..history import HistoryCopy, pinned_database, restore_history, save_database
from ..journal import published_end, whole_segments
from ..settings import Settings
from ..spool import Spool

__all__ = ["Backup", "BadBackup", "make_backup", "restore_backup"]

_FORMAT = 1
_MANIFEST = "manifest.json"
_FILES = ("token-keys", "guard-proxy-key", "objections", "kill-switch", "reports.jsonl")
_FOLDERS = ("attachments", "networks")
_BLOCK_BYTES = 1 << 20
_SECRET_FILE = 0o600
_UNFINISHED = ".restoring"  # stands in a directory while a backup is put into it

Tell = Callable[[str], None]


class BadBackup(InputError):
    """The file is no backup of ours, or what it holds is damaged or incomplete."""

    id = "bad-backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup holds."""

    made_at: datetime
    version: str  # of the program that made it
    database: str  # sqlite or postgresql
    journal_end: str  # how far the journal in it goes
    members: int
    size_bytes: int


def make_backup(
    settings: Settings, to: Path, *, settings_file: Path | None = None, tell: Tell = lambda _: None
) -> Backup:
    """Copy everything that must survive into the file `to`, while the roles run.

    Mode 0600: it holds keys and mail. Raises StorageUnavailable, and then there is no file.
    """
    beside = to.with_name(f".{to.name}.part")
    try:
        with ExitStack() as stack:
            opened = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _SECRET_FILE)
            file = stack.enter_context(os.fdopen(opened, "wb"))
            stack.callback(beside.unlink, missing_ok=True)
            archive = stack.enter_context(_opened(file, to.suffix in (".gz", ".tgz")))
            writer = _Writer(archive, tell)
            backup = _fill(settings, writer, settings_file)
            archive.close()
            file.flush()
            os.fsync(file.fileno())
            beside.rename(to)
            _sync_directory(to.parent)
            return backup(to.stat().st_size)
    except (OSError, sqlite3.Error, tarfile.TarError) as error:
        raise StorageUnavailable(f"the backup {to} could not be made: {error}") from error


def _fill(
    settings: Settings, writer: _Writer, settings_file: Path | None
) -> Callable[[int], Backup]:
    directory = settings.data_directory
    made_at = datetime.now(UTC)
    with ExitStack() as stack:
        work = Path(stack.enter_context(TemporaryDirectory(prefix=".backup-", dir=directory)))
        with _stilled(directory / "spool.db"):
            history = stack.enter_context(HistoryCopy.pinned(settings.history_address))
            spool = stack.enter_context(pinned_database(directory / "spool.db"))
        writer.tell("history")
        for name, path in history.save(work):
            writer.add_file(name, path)
            path.unlink()
        writer.tell("spool")
        save_database(spool, work / "spool.db")
        writer.add_file("spool.db", work / "spool.db")
    writer.tell("journal")
    end = published_end(directory / "journal")
    for name, content in whole_segments(directory / "journal", end):
        writer.add_bytes(f"journal/{name}", content)
    for folder in _FOLDERS:
        writer.tell(folder)
        writer.add_folder(directory, folder)
    for name in _FILES:
        if (directory / name).exists():
            writer.add_file(name, directory / name)
    if settings_file is not None:
        writer.add_file("settings.toml", settings_file)
    facts = {
        "format": _FORMAT,
        "made_at": made_at.isoformat(),
        "version": __version__,
        "database": history.dialect,
        "journal_end": str(end),
    }
    writer.add_manifest(facts)
    members = len(writer.digests)
    return lambda size: Backup(
        made_at=made_at,
        version=__version__,
        database=history.dialect,
        journal_end=str(end),
        members=members,
        size_bytes=size,
    )


def _opened(file: BinaryIO, is_packed: bool) -> tarfile.TarFile:
    if is_packed:
        return tarfile.open(fileobj=file, mode="w|gz")
    return tarfile.open(fileobj=file, mode="w|")


class _Writer:
    """An archive in the making, with the digest of every member."""

    def __init__(self, archive: tarfile.TarFile, tell: Tell) -> None:
        self._archive = archive
        self.tell = tell
        self.digests: dict[str, str] = {}

    def add_file(self, name: str, path: Path) -> None:
        with path.open("rb") as file:
            info = self._info(name, os.fstat(file.fileno()).st_size)
            reader = _Digesting(file, info.size)
            self._archive.addfile(info, reader)
        self.digests[name] = reader.hexdigest()

    def add_bytes(self, name: str, content: bytes) -> None:
        self._archive.addfile(self._info(name, len(content)), io.BytesIO(content))
        self.digests[name] = hashlib.sha256(content).hexdigest()

    def add_folder(self, directory: Path, folder: str) -> None:
        for path in sorted((directory / folder).rglob("*")):
            if path.is_file() and not path.name.startswith("."):  # those are half written
                self.add_file(path.relative_to(directory).as_posix(), path)

    def add_manifest(self, facts: Mapping[str, Any]) -> None:
        text = json.dumps({**facts, "sha256": self.digests}, indent=1).encode()
        self._archive.addfile(self._info(_MANIFEST, len(text)), io.BytesIO(text))

    @staticmethod
    def _info(name: str, size: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, _SECRET_FILE
        info.mtime = int(datetime.now(UTC).timestamp())
        return info


class _Digesting:
    """Reads a file and knows the digest of what was read."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._file.read(wanted)
        self._left -= len(data)
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


@contextmanager
def _stilled(path: Path) -> Iterator[None]:
    """Nobody writes the spool meanwhile; the gateway waits for it, some milliseconds."""
    Spool(path).close()  # made when it is missing
    db = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    try:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")
    finally:
        db.close()


# putting back


def restore_backup(
    file: Path,
    directory: Path,
    *,
    history_address: str | None = None,
    tell: Tell = lambda _: None,
) -> Backup:
    """Put a backup into an empty directory, and its history into an empty database.

    `history_address` is needed for a history on PostgreSQL; one on SQLite comes into `directory`.
    Every member is checked against its digest. Raises BadBackup when one is missing, too many or
    damaged, InputError when the directory holds something; then nothing of it is left there. What
    an earlier restore left that was cut off is taken away first.
    """
    _refuse_full(directory)
    before = os.umask(0o077)  # addresses and mail are for their owner alone
    try:
        _begin(directory)
        with tarfile.open(file, mode="r|*") as archive:
            manifest, digests = _unpack(archive, directory, tell)
        _check(manifest, digests)
        tell("history")
        if manifest["database"] != "sqlite":
            if not history_address:
                raise InputError(
                    f"the history of {file} was on {manifest['database']}; name an empty database "
                    "with --set history.url=…"
                )
            restore_history(history_address, directory / "history")
            shutil.rmtree(directory / "history")
        for name in ("journal", "attachments"):
            (directory / name).mkdir(exist_ok=True, mode=0o700)
        (directory / _UNFINISHED).unlink()
    except (tarfile.TarError, EOFError) as error:
        raise BadBackup(f"{file} cannot be read as a backup: {error}") from error
    except OSError as error:
        raise StorageUnavailable(f"{file} could not be restored: {error}") from error
    finally:
        os.umask(before)
        if (directory / _UNFINISHED).exists():
            with suppress(OSError):  # then the next restore does it
                _clear(directory)
    return Backup(
        made_at=datetime.fromisoformat(manifest["made_at"]),
        version=manifest["version"],
        database=manifest["database"],
        journal_end=manifest["journal_end"],
        members=len(digests),
        size_bytes=file.stat().st_size,
    )


def _begin(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    (directory / _UNFINISHED).touch()
    _sync_directory(directory)
    _clear(directory, but=_UNFINISHED)


def _clear(directory: Path, but: str | None = None) -> None:
    """Take away what an unfinished restore wrote, its mark last."""
    names = sorted((p.name for p in directory.iterdir()), key=lambda name: name == _UNFINISHED)
    for name in names:
        path = directory / name
        if name == but:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _refuse_full(directory: Path) -> None:
    if not directory.exists() or (directory / _UNFINISHED).exists():
        return
    if any(directory.iterdir()):
        raise InputError(
            f"{directory} is not empty; restore into a new directory, look at it, then put it in "
            "the place of the old one"
        )


def _unpack(
    archive: tarfile.TarFile, directory: Path, tell: Tell
) -> tuple[dict[str, Any], dict[str, str]]:
    digests: dict[str, str] = {}
    manifest: dict[str, Any] = {}
    said = ""
    for member in archive:
        source = archive.extractfile(member)
        if source is None or not member.isfile() or not _is_inside(member.name):
            raise BadBackup(f"{member.name!r} is no member of a backup")
        if member.name == _MANIFEST:
            manifest = _read_manifest(source.read())
            continue
        if (top := member.name.partition("/")[0]) != said:
            tell(said := top)
        path = directory / member.name
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with path.open("xb") as file:
            while data := source.read(_BLOCK_BYTES):
                digest.update(data)
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        digests[member.name] = digest.hexdigest()
    return manifest, digests


def _is_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts


def _read_manifest(text: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(text)
        if manifest["format"] != _FORMAT:
            raise BadBackup(
                f"the backup has format {manifest['format']}; Mailglass {manifest['version']} made "
                "it and can restore it"
            )
        assert isinstance(manifest["sha256"], dict)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise BadBackup(f"its {_MANIFEST} is not one of ours: {error!r}") from error
    return dict(manifest)


def _check(manifest: Mapping[str, Any], digests: Mapping[str, str]) -> None:
    if not manifest:
        raise BadBackup(f"it has no {_MANIFEST}: it is no backup, or was cut off")
    wanted = manifest["sha256"]
    if wanted != digests:
        different = sorted(n for n in wanted.keys() | digests if wanted.get(n) != digests.get(n))
        raise BadBackup(f"damaged or missing: {', '.join(different[:10])}")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
