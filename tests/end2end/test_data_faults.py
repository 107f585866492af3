"""Faulty data through the real command line: each fault has its sentence and its exit code."""

from __future__ import annotations

import numpy as np
import pytest

from tests.end2end.program import engine

ROWS = [f"{index % 7},{index % 5},{'yes' if index % 2 else 'no'}" for index in range(60)]


def table(path, rows):
    path.write_text("\n".join(["a,b,class", *rows]))


def cut(path):
    generator = np.random.default_rng(0)
    np.savez(path, x=generator.normal(size=(50, 8)), y=np.arange(50) % 2)
    path.write_bytes(path.read_bytes()[:1500])


def objects(path):
    np.savez(path, x=np.array([{"a": 1}] * 40, dtype=object), y=np.arange(40) % 2)


FAULTS = {
    "empty.csv": (lambda path: path.write_bytes(b""), "empty.csv is empty. Choose a file with at least a few"),
    "cut.npz": (cut, "cut.npz could not be read as NPZ. The reason: the archive ends too early."),
    "objects.npz": (objects, "objects.npz holds Python objects. Reading it would mean to execute"),
    "picture.csv": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40), "picture.csv is not"),
    "nan.csv": (lambda path: table(path, [*ROWS, "nan,1,yes"]), "nan.csv has 1 cells without a value"),
    "inf.csv": (
        lambda path: table(path, [*ROWS, "inf,2,no"]),
        "1 of 61 examples have NaN or infinite values, first in",
    ),
    "cells.csv": (
        lambda path: table(path, [*ROWS, ",1,yes"]),
        "cells.csv has 1 cells without a value, the first in data row 61. Fill them",
    ),
    "ragged.csv": (lambda path: table(path, [*ROWS, "1,2,3,yes"]), "differ in length"),
    "one.csv": (lambda path: table(path, [row.replace("yes", "no") for row in ROWS]), "belong to one class, no."),
    "few.csv": (lambda path: table(path, ROWS[:2]), "2 examples are too few"),
    "odd.bin": (lambda path: path.write_bytes(bytes(range(200))), "The format of"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_its_sentence(name, tmp_path, root):
    make, words = FAULTS[name]
    make(tmp_path / name)
    done = engine(
        "run", "training.train", "--preset", "smoke", "--set", "data.source=file", "--set",
        f"data.path={tmp_path / name}", "--runs-dir", root,
    )  # fmt: skip
    assert (done.code, done.result["state"]) == (1, "failed")
    assert words in done.err and "Train: failed. " in done.err
    assert "Traceback" not in done.err
