"""A document: one JSON file of the user's, changed in transactions, undone step by step, saved by itself."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from engine.documents import errors
from engine.documents.history import Change, History
from engine.documents.journal import Journal, Recovered
from engine.documents.patch import Step, apply, diff
from engine.documents.state import State, decode, dump, encode, first_fault, loses, parse, revision
from engine.durable import write_atomic

S = TypeVar("S", bound=State)

_REST_S = 1.5  # without a change, until it is saved
_LONGEST_S = 15.0  # that a change stays unsaved while others follow


class Document(Generic[S]):
    """Open a file with ``Document.open``, make one with ``Document.create``; ``close`` it in the end.

    All methods may be called by any thread; saving does not hold up changes. What the user did is in the journal when
    a transaction ends, and in the file a moment later, when the owner calls ``tick`` now and then.

    Attributes:
        path: the file. id: stays with the document through renames and copies of the program's making.
        read_only: why it can only be read, as an error to show; None when it may be changed.
        recovered: what the user had done, unsaved, when the program last died with this document open.
        set_aside: a file with changes that could not be recovered into this one, or None.
        unprotected: why changes are not recorded before they are saved; None normally.
    """

    def __init__(self, path: Path, id: str, state: S, data: dict[str, Any], clock: Callable[[], float]) -> None:
        self.path = path
        self.id = id
        self.read_only: errors.ReadOnly | None = None
        self.recovered: list[str] = []
        self.set_aside: Path | None = None
        self.unprotected: errors.DocumentError | None = None
        self._state: S = state
        self._data = data
        self._kind, self._version = state.kind, state.schema_version
        self._saved: dict[str, Any] = data  # what the file holds, as this program understands it
        self._content = b""  # the file as it was read or written last
        self._backup: str | None = None  # suffix of a copy to make before the file is first replaced
        self._history = History()
        self._journal = Journal(path)
        self._open_label: str | None = None
        self._first_change = self._last_change = 0.0
        self._clock = clock
        self._lock = threading.RLock()  # guards all above
        self._saving = threading.Lock()

    # -- coming and going

    @classmethod
    def create(cls, path: Path, state: S, clock: Callable[[], float] = time.monotonic) -> Document[S]:
        """Write a new file.

        Raises:
            AlreadyExists: there is one. NotSaved: it cannot be written.
        """
        if path.exists():
            raise errors.AlreadyExists(path=path)
        document = cls(path, uuid.uuid4().hex, state, dump(state), clock)
        document._write(document._encoded(document._data))
        document._take()
        return document

    @classmethod
    def open(cls, path: Path, state: type[S], clock: Callable[[], float] = time.monotonic) -> Document[S]:
        """Read a file. What was not saved when the program died is taken back from the journal.

        A file of a newer major version, one that is open elsewhere and one that may not be written open read-only.

        Raises:
            NoSuchDocument, NotAllowed, NotText, NotADocument, WrongKind.
        """
        journal = Journal(path)
        held, unprotected = _taken(journal, path)
        try:
            document = cls._loaded(path, state, journal, clock)
        except errors.DocumentError:
            if held:
                journal.release()
            raise
        document.unprotected = unprotected
        if document.read_only is not None and held:
            journal.release()
        elif document.read_only is None and not held and unprotected is None:
            document.read_only = errors.OpenElsewhere(path=path)
        elif held and (left := journal.read()) is not None:
            document._recover(left)
        return document

    @classmethod
    def _loaded(cls, path: Path, state: type[S], journal: Journal, clock: Callable[[], float]) -> Document[S]:
        content, backup, left = b"", None, journal.read()
        try:
            content = _read(path)
            envelope = decode(path, content)
        except (errors.NoSuchDocument, errors.NotText, errors.NotADocument):
            if left is None or left.kind != state.kind:
                raise
            # the journal has all of it; what stands in the file now is kept beside it
            envelope = decode(path, encode(left.id, left.kind, left.version, left.base))
            backup = ".damaged.bak" if content else None
        found = parse(path, envelope, state)
        document = cls(path, envelope["id"], found, dump(found), clock)
        document._journal = journal
        version = envelope["schema_version"]
        if version > state.schema_version:
            document.read_only = errors.NewerVersion(path=path, version=version, known=state.schema_version)
        elif path.exists() and not os.access(path, os.W_OK):
            document.read_only = errors.NotWritable(path=path)
        elif version < state.schema_version or loses(envelope["state"], document._data):
            backup = backup or f".v{version}.bak"
        document._content, document._backup = content, backup
        return document

    def close(self, *, discard: bool = False) -> None:
        """Save what is not saved and let others have it; ``discard`` gives unsaved changes up.

        Raises:
            NotSaved, ChangedOutside: and it stays open, with everything in it.
        """
        if self.unsaved and not discard:
            self.save()
        with self._lock:
            self._journal.release()
            self.read_only = self.read_only or errors.ReadOnly(path=self.path)

    def _take(self) -> None:
        held, self.unprotected = _taken(self._journal, self.path)
        if not held and self.unprotected is None:
            self.read_only = errors.OpenElsewhere(path=self.path)

    def _recover(self, journal: Recovered) -> None:
        saved = revision(self._kind, self._data)
        chain = [revision(journal.kind, state) for state in (journal.base, *journal.states)]
        if journal.kind != self._kind or not journal.states or saved == chain[-1]:
            return
        if saved in chain and journal.version == self._version:
            state = self._valid(journal.states[-1], "Recovery")
            self.recovered = journal.labels[chain.index(saved) :]
            self._advance(state, dump(state), self.recovered[-1])
        else:
            content = encode(journal.id, journal.kind, journal.version, journal.states[-1])
            self.set_aside = _free_name(self.path)
            write_atomic(self.set_aside, content)
            self._journal.end()

    # -- state

    @property
    def state(self) -> S:
        """What it holds. Change it through ``transaction`` only."""
        return self._state

    @property
    def revision(self) -> str:
        """Hash of what it holds, saved or not; with ``id`` it is what runs cite."""
        with self._lock:
            return revision(self._kind, self._data)

    @property
    def unsaved(self) -> bool:
        """Whether the file lacks changes."""
        return self._data is not self._saved

    @contextmanager
    def transaction(self, label: str, merge: str = "") -> Iterator[S]:
        """``with document.transaction("Rename code") as draft:`` change the draft; all of it happens, or nothing.

        Args:
            label: what the user did, English (a translation id). merge: consecutive transactions with the same key,
                such as the letters of a word, are undone together.

        Raises:
            ReadOnly: it may not be changed. Invalid: the draft makes no sense; also whatever the body raises.
            NotNested: another transaction is open.
        """
        with self._lock:
            if self.read_only is not None:
                raise self.read_only
            if self._open_label is not None:
                raise errors.NotNested(label=label, other=self._open_label)
            self._open_label = label
            try:
                draft = self._state.model_copy(deep=True)
                yield draft
                self._commit(draft, label, merge)
            finally:
                self._open_label = None

    def _commit(self, draft: S, label: str, merge: str) -> None:
        try:
            state = self._valid(dump(draft), label)
        except PydanticSerializationError as error:
            raise errors.Invalid(label=label, reason=str(error)) from error
        data = dump(state)
        forward = diff(self._data, data)
        try:
            json.dumps(forward, allow_nan=False)
        except ValueError as error:
            raise errors.Invalid(label=label, reason="A number in it is not finite.") from error
        if forward:
            self._history.add(Change(label, forward, diff(data, self._data), merge))
            self._advance(state, data, label, forward)

    def _valid(self, data: dict[str, Any], label: str) -> S:
        try:
            return type(self._state).model_validate(data)
        except ValidationError as error:
            raise errors.Invalid(label=label, reason=first_fault(error)) from error

    def _advance(self, state: S, data: dict[str, Any], label: str, steps: list[Step] | None = None) -> None:
        """Take a new state and record how it came about."""
        steps = diff(self._data, data) if steps is None else steps
        now = self._clock()
        self._first_change = self._first_change if self.unsaved else now
        self._last_change = now
        before, self._state, self._data = self._data, state, data
        try:
            if not self._journal.begun:
                self._journal.begin(self.id, self._kind, self._version, self._saved)
                steps = diff(self._saved, data) if before is not self._saved else steps
            self._journal.record(label, steps)
        except OSError as error:
            self._journal.end()
            self.unprotected = errors.writing(self._journal.path, error)
        else:
            self.unprotected = None

    # -- undo

    @property
    def undo_label(self) -> str | None:
        """What ``undo`` would take back."""
        return self._history.done[-1].label if self._history.done else None

    @property
    def redo_label(self) -> str | None:
        """What ``redo`` would do again."""
        return self._history.undone[-1].label if self._history.undone else None

    def undo(self) -> str | None:
        """Take the last change back; its label, or None when there is none."""
        return self._step(self._history.done, self._history.undone, "backward")

    def redo(self) -> str | None:
        """Do again what was undone last; its label, or None when there is none."""
        return self._step(self._history.undone, self._history.done, "forward")

    def _step(self, source: list[Change], target: list[Change], direction: str) -> str | None:
        with self._lock:
            if not source or self.read_only is not None:
                return None
            change = source.pop()
            target.append(change)
            self._history.seal()
            data = apply(self._data, getattr(change, direction))
            self._advance(self._valid(data, change.label), data, change.label)
            return change.label

    # -- saving

    def tick(self) -> bool:
        """Save when changes have rested for a moment or waited for long; whether it did. Call it about once a second.

        Raises:
            NotSaved, ChangedOutside.
        """
        with self._lock:
            now = self._clock()
            due = now - self._last_change >= _REST_S or now - self._first_change >= _LONGEST_S
            if not (self.unsaved and due) or self.read_only is not None:
                return False
            self._last_change = self._first_change = now  # a failure is tried again after the same rest
        self.save()
        return True

    def save(self, *, overwrite: bool = False) -> None:
        """Write the file, in one step: it holds the old or the new state, whatever happens.

        Args:
            overwrite: also when another program has changed the file.

        Raises:
            NotSaved: with DiskFull among them. ChangedOutside. ReadOnly.
        """
        with self._saving:
            with self._lock:
                if self.read_only is not None:
                    raise self.read_only
                data = self._data
            if not overwrite and self.changed_outside():
                raise errors.ChangedOutside(path=self.path)
            self._write(self._encoded(data))
            with self._lock:
                self._saved = data
                self._journal.end()
                if self._data is not data:  # changed while it was being written
                    label = self._history.done[-1].label if self._history.done else ""
                    self._advance(self._state, self._data, label, diff(data, self._data))

    def save_as(self, path: Path) -> None:
        """Go on under another name, with an id of its own; also what can only be read.

        Raises:
            AlreadyExists, NotSaved.
        """
        with self._saving, self._lock:
            if path.exists():
                raise errors.AlreadyExists(path=path)
            old = self.path, self.id, self._backup
            self.path, self.id, self._backup = path, uuid.uuid4().hex, None
            try:
                self._write(self._encoded(self._data))
            except errors.NotSaved:
                self.path, self.id, self._backup = old
                raise
            self._saved = self._data
            self._journal.release()
            self._journal, self.read_only = Journal(path), None
            self._take()

    def changed_outside(self) -> bool:
        """Whether another program has changed the file since it was read or written here; a missing file has not."""
        try:
            return _read(self.path) != self._content
        except errors.NoSuchDocument:
            return False
        except errors.NotAllowed:
            return True

    def reload(self) -> None:
        """Take what another program has written; it can be undone.

        Raises:
            NoSuchDocument, NotAllowed, NotText, NotADocument, WrongKind: and nothing has changed.
        """
        content = _read(self.path)
        state = parse(self.path, decode(self.path, content), type(self._state))
        with self._lock:
            data = dump(state)
            change = Change("Reload", diff(self._data, data), diff(data, self._data))
            self._content, self._state, self._data, self._saved = content, state, data, data
            self._journal.end()
            if change.forward:
                self._history.add(change)

    def _encoded(self, data: dict[str, Any]) -> bytes:
        return encode(self.id, self._kind, self._version, data)

    def _write(self, content: bytes) -> None:
        try:
            if self._backup is not None:
                write_atomic(self.path.with_name(self.path.name + self._backup), self._content)
                self._backup = None
            write_atomic(self.path, content)
        except OSError as error:
            raise errors.writing(self.path, error) from error
        self._content = content


def _taken(journal: Journal, path: Path) -> tuple[bool, errors.DocumentError | None]:
    """Whether the document could be taken, and why there is no journal where the folder cannot be written."""
    try:
        return journal.acquire(), None
    except OSError as error:
        return False, errors.writing(path, error)


def _free_name(path: Path) -> Path:
    names = (f"{path.stem} (recovered{number}){path.suffix}" for number in ("", *(f" {n}" for n in range(2, 10_000))))
    return next(path.with_name(name) for name in names if not path.with_name(name).exists())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise errors.reading(path, error) from error
