"""log.txt keeps its beginning and its end."""

import subprocess
import sys

from engine.runs import log

PRINTER = """
import ctypes, os, subprocess, sys
from pathlib import Path
from engine.runs import log
print("before")
log.redirect(Path(sys.argv[1]))
print("python ü")
print("error", file=sys.stderr)
os.write(1, b"descriptor\\n")
libc = ctypes.CDLL(None)
libc.printf(b"native\\n")
libc.fflush(None)
subprocess.run([sys.executable, "-c", "print('child')"])
"""


def test_all_that_a_process_prints_goes_to_the_log(tmp_path, environment):
    done = subprocess.run(
        [sys.executable, "-c", PRINTER, tmp_path / "log.txt"], env={**environment, "PYTHONIOENCODING": "ascii"},
        capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout == b"before\n" and done.stderr == b""
    assert (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines() == [
        "python ü", "error", "descriptor", "native", "child",
    ]  # fmt: skip


def test_the_middle_of_a_long_log_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(log, "HEAD", 400)
    monkeypatch.setattr(log, "TAIL", 100)
    path = tmp_path / "log.txt"
    with open(path, "ab", buffering=0) as printer:
        for number in range(100):
            printer.write(b"%09d\n" % number)
            log.trim(path)
            assert path.stat().st_size <= 640
        text = path.read_bytes()
        assert text.startswith(b"000000000\n") and text.endswith(b"000000099\n")
        assert text[:400] == b"".join(b"%09d\n" % number for number in range(40))
        assert b"bytes left out" in text


def test_a_short_log_is_left_alone(tmp_path):
    path = tmp_path / "log.txt"
    path.write_bytes(b"short")
    log.trim(path)
    assert path.read_bytes() == b"short"
    log.trim(tmp_path / "missing")
    assert log.tail(path) == "short" and log.tail(path, 2) == "rt"
    assert log.tail(tmp_path / "missing") == ""
