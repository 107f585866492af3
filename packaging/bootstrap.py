#!/usr/bin/env python3
"""Sets Theodolite up and starts it, with nothing but Python: run, test, bench, setup.

    python3 packaging/bootstrap.py run [-- FILES]           the program
    python3 packaging/bootstrap.py test [pytest arguments]  all checks, or only the tests that the arguments choose
    python3 packaging/bootstrap.py bench [pytest arguments] the benchmarks, on a machine that does nothing else
    python3 packaging/bootstrap.py setup [--for-tests]      only the installation

Everything goes into .venv in the checkout (or, where that is read-only, into the user's data folder). A second start
installs nothing. `--gpu cuda` before the command chooses the CUDA build of torch; the choice is remembered.
"""

# This file alone must be readable by any Python 3, to say that it is too old.
import sys

OLDEST, NEWEST = (3, 11), (3, 13)


def newer_python():
    """A Python on the PATH that fits, or None."""
    import shutil
    import subprocess

    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which("python3.%d" % minor)  # noqa: UP031
        # A version manager's stand-in may be on the PATH and yet start nothing.
        if found and subprocess.call([found, "-c", ""], stdout=-3, stderr=-3) == 0:
            return found
    return None


def main():
    """Run the command with a Python that fits; returns the exit code."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        import subprocess

        found = newer_python()
        if found:
            return subprocess.call([found, *sys.argv])
        sys.stderr.write(
            "Theodolite needs Python 3.11, 3.12 or 3.13; this is %d.%d, and no other is on the PATH.\n"  # noqa: UP031
            "Install one of them (for example: sudo apt-get install python3.11 python3.11-venv) and run"
            " this command with it.\n" % sys.version_info[:2]
        )
        return 2
    from steps.commands import start

    return start(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
