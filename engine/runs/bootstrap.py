"""Started as a script by any interpreter: imports this very ``engine`` package, whatever else lies on the path."""

import importlib.util
import sys
from pathlib import Path

# Not under the guard below: children that a worker spawns import this file under another name and need it too.
if "engine" not in sys.modules:
    _package = Path(__file__).resolve().parents[1]
    _spec = importlib.util.spec_from_file_location(
        "engine", _package / "__init__.py", submodule_search_locations=[str(_package)]
    )
    assert _spec is not None and _spec.loader is not None
    sys.modules["engine"] = _engine = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(_engine)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--session"]:
        from engine.sessions.server import main as serve

        serve(sys.argv[2:])
    else:
        from engine.runs.worker import main

        sys.exit(main(sys.argv[1:]))
