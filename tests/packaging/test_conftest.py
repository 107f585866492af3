"""The nets in tests/conftest.py catch what they are there for."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT_CONFTEST = Path(__file__).parents[1] / "conftest.py"
INNER = """
import logging, os, subprocess, sys, tempfile, threading
import pytest

kept = []

def test_process():
    kept.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3)"]))

def test_thread():
    threading.Thread(target=threading.Event().wait, args=(3,), daemon=True).start()

def test_temporary():
    tempfile.mkdtemp()

def test_file():
    kept.append(open(os.path.expanduser("~/a"), "w"))

def test_log():
    logging.getLogger("x").warning("boo")

def test_missing_log(expect_log):
    expect_log("never")

def test_clean(expect_log):
    expect_log("bo+")
    logging.getLogger("x").warning("boo")
    with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "a"), "w"):
        subprocess.run([sys.executable, "-c", ""], check=True)
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert os.path.dirname(os.path.expanduser("~")) == os.path.dirname(tempfile.gettempdir())

@pytest.mark.benchmark
def test_speed():
    pass
"""


@pytest.fixture
def inner(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with the root conftest, less patient, and tests that leave things behind."""
    pytester.makeconftest(ROOT_CONFTEST.read_text().replace("GRACE = 10.0", "GRACE = 0.1"))
    pytester.makepyfile(test_inner=INNER)
    pytester.makeini("[pytest]\nmarkers = benchmark\n")
    return pytester


def run(inner: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return inner.runpytest_subprocess("-q", "-p", "no:pytest-qt", "-p", "no:cacheprovider", *arguments)


def test_each_leak_and_stray_log_is_an_error(inner: pytest.Pytester) -> None:
    result = run(inner)
    result.assert_outcomes(passed=7, errors=6, deselected=1)
    result.stdout.fnmatch_lines(
        [
            "*left behind:*",
            "*process *time.sleep*",
            "*left behind:*",
            "*thread *",
            "*left behind:*",
            "*temporary *",
            "*left behind:*",
            "*open file *",
            "*unexpected log:*",
            "*x: boo",
            "*never logged: [[]'never'[]]*",
        ]
    )


def test_benchmarks_run_when_asked_for(inner: pytest.Pytester) -> None:
    run(inner, "-m", "benchmark").assert_outcomes(passed=1, deselected=7)
