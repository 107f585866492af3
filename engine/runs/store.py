"""The index of a runs folder in SQLite: fast lists, the queue, and leases on device slots. Rebuilt from the folders."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from engine.durable import FileLock
from engine.errors import EngineError
from engine.runs import folder, state
from engine.runs.failures import in_words
from engine.runs.processes import Process

FILE = "runs.sqlite"
VERSION = 3
_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, task TEXT NOT NULL, name TEXT NOT NULL, project TEXT NOT NULL, tags TEXT NOT NULL,
    created REAL NOT NULL, device TEXT NOT NULL, imported INTEGER NOT NULL, newer INTEGER NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL, since REAL NOT NULL, attempt INTEGER NOT NULL, ran_on TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS runs_by_state ON runs (state, since, id);
CREATE TABLE IF NOT EXISTS links (
    run TEXT NOT NULL, upstream TEXT NOT NULL, reference TEXT NOT NULL, PRIMARY KEY (run, upstream, reference));
CREATE INDEX IF NOT EXISTS links_by_upstream ON links (upstream);
CREATE TABLE IF NOT EXISTS leases (
    slot TEXT PRIMARY KEY, run TEXT NOT NULL UNIQUE, pid INTEGER NOT NULL, start_time REAL NOT NULL,
    host TEXT NOT NULL, boot_id TEXT NOT NULL, heartbeat REAL NOT NULL);
CREATE TABLE IF NOT EXISTS attendants (
    pid INTEGER NOT NULL, start_time REAL NOT NULL, host TEXT NOT NULL, boot_id TEXT NOT NULL, heartbeat REAL NOT NULL,
    PRIMARY KEY (host, pid));
"""


class NewerIndex(EngineError):
    """Raised when a newer program made the index."""

    what = "The runs in {root} belong to a newer version of this program."
    remedy = "Update this program, or choose another folder for runs."


@dataclass(frozen=True)
class Row:
    """One run in the index; see folder.Meta, folder.Request and state.Status for the fields.

    Attributes:
        device: what was asked for. ran_on: where it computes or computed, "" before that.
    """

    id: str
    task: str
    name: str
    project: str
    tags: tuple[str, ...]
    created: float
    device: str
    imported: bool
    newer: bool
    state: str
    reason: str
    since: float
    attempt: int
    ran_on: str


@dataclass(frozen=True)
class Lease:
    """A slot that a run has; ``owner`` claimed it, at ``heartbeat``."""

    slot: str
    run: str
    owner: Process
    heartbeat: float


class Store:
    """Rows, links and leases. Any number of processes may have one on the same file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._one_at_a_time = threading.Lock()
        with in_words():
            root.mkdir(parents=True, exist_ok=True)
            with FileLock(root / ".index.lock"):
                self._db = self._open_or_replace()

    def _open_or_replace(self) -> sqlite3.Connection:
        try:
            return self._open()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            stamp = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
            for suffix in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(self.root / (FILE + suffix), self.root / f"{FILE}.damaged-{stamp}{suffix}")
            return self._open()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.root / FILE, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise NewerIndex(root=str(self.root))
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            if version < VERSION:
                self._db = db
                db.execute("DROP TABLE IF EXISTS runs")  # its columns may differ; the folders know all of it
                db.executescript(_SCHEMA)
                self.reindex()
                db.execute(f"PRAGMA user_version={VERSION}")
            elif db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("the index is damaged")
        except BaseException:
            db.close()
            raise
        return db

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """A transaction that no other process or thread overlaps."""
        with self._one_at_a_time:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def reindex(self) -> int:
        """Build all rows, links and leases anew from the folders; returns the number of runs."""
        found = [path for path in self.root.iterdir() if folder.is_run(path)]
        with self.exclusive():
            for table in ("runs", "links", "leases"):
                self._db.execute(f"DELETE FROM {table}")
            count = sum(self.adopt(path) for path in found)
        return count

    def adopt(self, path: Path) -> bool:
        """Add a run that was found in the folder, with its lease if it is active; False when it is none."""
        try:
            row = self.put(path)
        except folder.NotARun:
            return False
        launch = folder.launch(path)
        if row.state in state.ACTIVE and launch is not None:
            self.lease(launch.slot, row.id, launch.process or launch.launcher)
        return True

    def put(self, path: Path) -> Row:
        """Add or refresh the row and the links of a run from its folder.

        Raises:
            NotARun: the folder is none.
        """
        request, meta, now = folder.request(path), folder.meta(path), state.status(path)
        row = Row(
            path.name, request.task, meta.name, meta.project, meta.tags, meta.created, meta.device, meta.imported,
            request.newer, now.state, now.reason, now.since, now.attempt, now.device,
        )  # fmt: skip
        values = [json.dumps(value) if isinstance(value, tuple) else value for value in asdict(row).values()]
        self._db.execute(f"INSERT OR REPLACE INTO runs VALUES ({','.join('?' * len(values))})", values)
        self._db.execute("DELETE FROM links WHERE run = ?", (row.id,))
        links = [(row.id, upstream, "") for upstream in meta.after]
        links += [(row.id, ref["run"], json.dumps(ref)) for ref in references(request.config)]
        self._db.executemany("INSERT OR IGNORE INTO links VALUES (?, ?, ?)", links)
        return row

    def set_state(self, id: str, now: state.Status) -> None:
        """Note the state of a run."""
        values = (now.state, now.reason, now.since, now.attempt, now.device)
        self._db.execute(
            "UPDATE runs SET (state, reason, since, attempt, ran_on) = (?, ?, ?, ?, ?)"
            " WHERE id = ? AND (state, reason, since, attempt, ran_on) IS NOT (?, ?, ?, ?, ?)",
            (*values, id, *values),
        )

    def forget(self, id: str) -> None:
        """Remove a run from the index."""
        self._db.execute("DELETE FROM runs WHERE id = ?", (id,))
        self._db.execute("DELETE FROM links WHERE run = ?", (id,))
        self._db.execute("DELETE FROM leases WHERE run = ?", (id,))

    def rows(self) -> list[Row]:
        """All runs, newest first."""
        return [_row(values) for values in self._db.execute("SELECT * FROM runs ORDER BY created DESC, id DESC")]

    def row(self, id: str) -> Row | None:
        """One run."""
        values = self._db.execute("SELECT * FROM runs WHERE id = ?", (id,)).fetchone()
        return None if values is None else _row(values)

    def queue(self) -> list[Row]:
        """The queued runs, those first that have waited longest."""
        found = self._db.execute("SELECT * FROM runs WHERE state = 'queued' ORDER BY since, id")
        return [_row(values) for values in found]

    def upstream(self, id: str) -> list[tuple[str, str]]:
        """(run, reference as JSON or "") of all that a run builds on."""
        return list(self._db.execute("SELECT upstream, reference FROM links WHERE run = ?", (id,)))

    def used_by(self, id: str) -> list[str]:
        """The runs that build on a run."""
        found = self._db.execute("SELECT DISTINCT run FROM links WHERE upstream = ? ORDER BY run", (id,))
        return [values[0] for values in found]

    def leases(self) -> list[Lease]:
        """All leases."""
        found = self._db.execute("SELECT slot, run, pid, start_time, host, boot_id, heartbeat FROM leases")
        return [
            Lease(slot, run, Process(pid=pid, start_time=start, host=host, boot_id=boot), heartbeat)
            for slot, run, pid, start, host, boot, heartbeat in found
        ]

    def lease(self, slot: str, run: str, owner: Process) -> None:
        """Give a slot to a run, replacing what either had."""
        self._db.execute(
            "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?, ?, ?)",
            (slot, run, owner.pid, owner.start_time, owner.host, owner.boot_id, time.time()),
        )

    def hand_over(self, run: str, owner: Process) -> None:
        """Make a worker the owner of the lease of its run, if it still has one."""
        self._db.execute(
            "UPDATE leases SET (pid, start_time, host, boot_id, heartbeat) = (?, ?, ?, ?, ?) WHERE run = ?",
            (owner.pid, owner.start_time, owner.host, owner.boot_id, time.time(), run),
        )

    def release(self, run: str) -> None:
        """Take the slot of a run back."""
        self._db.execute("DELETE FROM leases WHERE run = ?", (run,))

    def attend(self, owner: Process, since: float) -> None:
        """Note that a process has looked at the queue, beginning at ``since``, and will again soon."""
        self._db.execute(
            "INSERT OR REPLACE INTO attendants VALUES (?, ?, ?, ?, ?)",
            (owner.pid, owner.start_time, owner.host, owner.boot_id, since),
        )

    def attendants(self) -> list[tuple[Process, float]]:
        """Processes that look at the queue again and again, each with the beginning of its last look."""
        found = self._db.execute("SELECT pid, start_time, host, boot_id, heartbeat FROM attendants")
        return [
            (Process(pid=pid, start_time=start, host=host, boot_id=boot), since)
            for pid, start, host, boot, since in found
        ]

    def leave(self, owner: Process) -> None:
        """A process looks no more, or is gone."""
        with contextlib.suppress(sqlite3.OperationalError):  # its end will say the same
            self._db.execute("DELETE FROM attendants WHERE host = ? AND pid = ?", (owner.host, owner.pid))


def references(value: object) -> list[dict[str, str]]:
    """All artifact references inside a config given as JSON."""
    if isinstance(value, dict):
        if all(isinstance(value.get(key), str) for key in ("run", "name", "kind")):
            return [value]
        value = list(value.values())
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    return []


_COLUMNS = [field.name for field in fields(Row)]


def _row(values: tuple[object, ...]) -> Row:
    data = dict(zip(_COLUMNS, values, strict=True))
    tags = tuple(json.loads(str(data.pop("tags"))))
    imported, newer = bool(data.pop("imported")), bool(data.pop("newer"))
    return Row(tags=tags, imported=imported, newer=newer, **data)  # type: ignore[arg-type]
