"""Every failure in words that a person can act on."""

import errno
import os

import pytest

from engine.errors import EngineError
from engine.runs import failures
from engine.runs.events import Failed


class Teapot(EngineError):
    """Raised by a teapot."""

    what = "The {colour} teapot is empty."
    remedy = "Fill it."


def explain(error):
    return failures.explain(error, "cuda:0", "/usr/bin/python")


def torch_error(name, text):
    return type(name, (RuntimeError,), {"__module__": "torch"})(text)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (Teapot(colour="red"), "Teapot", "The red teapot is empty. Fill it."),
        (MemoryError(), "OutOfMemory", "memory was not enough"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "OutOfMemory", "Choose a smaller"),
        (torch_error("OutOfMemoryError", "CUDA out of memory"), "DeviceOutOfMemory", "The memory of cuda:0"),
        (torch_error("AcceleratorError", "CUDA error: unspecified launch failure\nmore"), "DeviceLost",
         "cuda:0 stopped working. Its driver says: CUDA error: unspecified launch failure. Resume"),
        (OSError(errno.ENOSPC, "x", "/a/b"), "DiskFull", "/a/b could not be written"),
        (OSError(errno.EDQUOT, "x"), "DiskFull", "A file could not be written"),
        (OSError("761640 requested and 116704 written"), "DiskFull", "A file could not be written"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "DiskFull", "Free some space"),
        (OSError(errno.EROFS, "x", "/a/b"), "NotWritable", "The run could not write /a/b."),
        (PermissionError(errno.EACCES, "x", "/a/b"), "NotWritable", "read-only, or belongs to somebody else"),
        (ModuleNotFoundError("No module named 'timm'", name="timm"), "MissingPackage", "package timm is missing"),
        (ValueError("bad\nTraceback"), "TaskFailed", "failed unexpectedly (ValueError). bad. The file log.txt"),
        (SystemExit(), "TaskFailed", "It gave no reason."),
        (FileNotFoundError(errno.ENOENT, "No such file", "/x"), "TaskFailed", "No such file"),
    ],
)  # fmt: skip
def test_causes_are_told_apart(error, kind, words):
    found = explain(error)
    assert type(found).__name__ == kind
    assert words in found.sentence()


def test_trouble_with_the_index_is_trouble_with_the_disk(tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "db") as db:
        db.execute("CREATE TABLE t (x)")
        db.execute("PRAGMA max_page_count = 2")
        with pytest.raises(failures.DiskFull), failures.in_words():
            db.executemany("INSERT INTO t VALUES (?)", [("x" * 4000,)] * 9)
        db.execute("PRAGMA query_only = 1")
        with pytest.raises(failures.NotWritable), failures.in_words():
            db.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(sqlite3.OperationalError), failures.in_words():
            db.execute("nonsense")
    db.close()
    with pytest.raises(FileNotFoundError), failures.in_words():
        (tmp_path / "nothing").read_text()


def test_the_event_says_the_same_as_the_error():
    error = failures.DeviceLost(device="cuda:0", reason=os.strerror(5))
    event = failures.event(error)
    assert event.error == "DeviceLost" and str(event) == error.sentence()
    assert Failed.model_validate_json(event.model_dump_json()) == event


def test_values_of_any_type_become_text():
    event = failures.event(Teapot(colour=["red", 1]))
    assert event.params == {"colour": "['red', 1]"}


def test_an_index_that_somebody_else_holds_is_said(tmp_path):
    import contextlib
    import sqlite3

    with (
        contextlib.closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as one,
        contextlib.closing(sqlite3.connect(tmp_path / "db", isolation_level=None, timeout=0)) as other,
    ):
        one.execute("BEGIN IMMEDIATE")
        with pytest.raises(failures.IndexTrouble, match=r"The system says: database is locked\."), failures.in_words():
            other.execute("BEGIN IMMEDIATE")
