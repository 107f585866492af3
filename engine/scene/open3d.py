"""The one import of Open3D: lazy, and without the web packages that it asks for and no geometry needs."""

from __future__ import annotations

import functools
import importlib
import sys
import types
from typing import Any

from engine.errors import EngineError

_UNNEEDED = {
    "plotly": ("graph_objects", "subplots"),
    "plotly.graph_objects": (),
    "plotly.subplots": ("make_subplots",),
    "dash": ("Dash", "Input", "Output", "State", "dcc", "html"),
}


class Open3DMissing(EngineError):
    """Raised when Open3D cannot be imported."""

    what = "3D pictures need the package Open3D, which could not be loaded."
    why = "{reason}"
    remedy = "Install open3d; on Linux it also needs the system library libusb-1.0."


@functools.cache
def library() -> Any:
    """The module ``open3d``, imported at the first call (0.4 s, 100 MB).

    Open3D imports plotly and dash unconditionally, for one function that draws in a browser; stand-ins of the same
    names take their place during the import, which makes it twice as fast and spares 48 packages.

    Raises:
        Open3DMissing: it is not installed, or a library of the system is missing.
    """
    kept = {name: sys.modules.get(name) for name in _UNNEEDED}
    sys.modules.update({name: _stand_in(name) for name in _UNNEEDED})
    try:
        return importlib.import_module("open3d")
    except (ImportError, OSError) as error:
        raise Open3DMissing(reason=str(error)) from error
    finally:
        for name, module in kept.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


def _stand_in(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    for attribute in _UNNEEDED[name]:
        setattr(module, attribute, None)
    return module
