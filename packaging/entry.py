"""Where the packaged program starts: as worker, session or command line before Qt is touched, else as the window."""

import multiprocessing
import sys


def main() -> int:
    """Look at the first word and become what it names; returns the exit code."""
    word, rest = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    if word == "--worker":
        from engine.runs.worker import main as worker

        return worker(rest)
    if word == "--session":
        from engine.sessions.server import main as session

        return session(rest)
    if word == "--engine":
        from engine.cli.main import main as engine

        return engine(rest)
    from app.main import main as window

    return window()


if __name__ == "__main__":
    multiprocessing.freeze_support()
    sys.exit(main())
