"""Runs the frozen copy of a user's model file: ``build()``, and if it has them ``data()`` and ``loss()``."""

from __future__ import annotations

import builtins
import importlib.abc
import importlib.machinery
import importlib.util
import logging
import random
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.errors import EngineError
from engine.models.consent import require_consent
from engine.models.errors import ModuleNotCopied, NoFactory, NotAModule, UserCodeFailed
from engine.models.freeze import Source
from engine.seeding import derive

SLOW = 10.0  # seconds
WAITING = "%s of %s has been running for %.0f s. It may be caught in a loop; Cancel ends it."

log = logging.getLogger(__name__)


class UserFile:
    """The modules of one frozen source tree, apart from those of any other tree and of this program.

    They are in sys.modules only while code of the tree is being loaded or called, so that two models may both have a
    utils.py. Only source text is run: compiled files lying beside it are not covered by the consent.
    """

    def __init__(self, source: Source) -> None:
        """Execute the model file.

        Raises:
            ConsentMissing: nobody has confirmed this code here. UserCodeFailed, ModuleNotCopied: it does not load.
        """
        require_consent(source.sha256, source.entry)
        self.source = source
        self._files = {_dotted(name): source.folder / name for name in source.files}
        self._tops = {name.partition(".")[0] for name in self._files}
        self._modules: dict[str, ModuleType] = {}
        self._depth = 0
        self.main = self._guarded("The model file", lambda: importlib.import_module(Path(source.entry).stem))

    def has(self, function: str) -> bool:
        """Whether the model file defines ``function``."""
        return callable(getattr(self.main, function, None))

    def call(self, function: str, *args: Any) -> Any:
        """Call a function of the model file.

        Raises:
            NoFactory: there is none of that name. UserCodeFailed, ModuleNotCopied: it failed.
        """
        if not self.has(function):
            public = [name for name in vars(self.main) if self.has(name) and not name.startswith("_")]
            raise NoFactory(file=self.source.entry, function=function, names=", ".join(public[:12]) or "nothing")
        return self._guarded(f"{function}()", lambda: getattr(self.main, function)(*args))

    def data(self, seed: int) -> Any:
        """What ``data()`` returns; its random numbers follow from ``seed``, so that each call gives the same."""
        with seeded(derive(seed, "data")):
            return self.call("data")

    def build(self, factory: str, seed: int) -> nn.Module:
        """The network that the model file makes; its random numbers follow from ``seed``.

        Raises:
            NotAModule: it returned something else.
        """
        with seeded(derive(seed, "weights")):
            module = self.call(factory)
        if not isinstance(module, nn.Module):
            raise NotAModule(function=factory, got=type(module).__name__)
        return module

    @contextmanager
    def blamed(self, what: str) -> Iterator[None]:
        """Errors raised inside, and by code of the tree, name its line; others pass as they are.

        Raises:
            UserCodeFailed: for the former.
        """
        try:
            yield
        except (EngineError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            if any(self._is_own(frame.filename) for frame in traceback.extract_tb(error.__traceback__)):
                raise self._failed(what, error) from error
            raise

    def _is_own(self, filename: str) -> bool:
        return Path(filename).is_relative_to(self.source.folder)

    def _guarded(self, what: str, action: Callable[[], Any]) -> Any:
        """Run ``action`` with the tree's modules in place; its errors name the line in the user's file."""
        watchdog = threading.Timer(SLOW, log.warning, [WAITING, what, self.source.entry, SLOW])
        watchdog.daemon = True
        watchdog.start()
        try:
            with self._active():
                return action()
        except ModuleNotFoundError as error:
            if error.name and not error.name.startswith("engine"):
                file, _, _ = self._place(error)
                raise ModuleNotCopied(file=file, module=error.name) from error
            raise self._failed(what, error) from error
        except (Exception, SystemExit) as error:
            raise self._failed(what, error) from error
        finally:
            watchdog.cancel()
            watchdog.join()

    def _failed(self, what: str, error: BaseException) -> UserCodeFailed:
        file, line, code = self._place(error)
        return UserCodeFailed(function=what, error=f"{type(error).__name__}: {error}", file=file, line=line, code=code)

    def _place(self, error: BaseException) -> tuple[str, int, str]:
        """File, line and text of the innermost line of the tree in a traceback."""
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if self._is_own(frame.filename):
                return (
                    Path(frame.filename).relative_to(self.source.folder).as_posix(),
                    frame.lineno or 0,
                    frame.line or "",
                )
        return self.source.entry, getattr(error, "lineno", None) or 0, ""

    @contextmanager
    def _active(self) -> Iterator[None]:
        """Put the tree's modules into sys.modules and its finder first; put back what was there."""
        if self._depth:
            yield
            return
        others = self._taken()
        sys.modules.update(self._modules)
        finder = _Finder(self.source.folder, self._files, self._import)
        sys.meta_path.insert(0, finder)
        self._depth = 1
        try:
            yield
        finally:
            self._depth = 0
            sys.meta_path.remove(finder)
            self._modules = self._taken()
            sys.modules.update(others)

    def _taken(self) -> dict[str, ModuleType]:
        """Remove from sys.modules, and return, what goes by the names of the tree's modules."""
        names = [name for name in sys.modules if name.partition(".")[0] in self._tops]
        return {name: sys.modules.pop(name) for name in names}

    def _import(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        """``__import__`` for the tree's code, so that imports inside functions find the tree also later."""
        if level == 0 and name.partition(".")[0] not in self._tops:
            return builtins.__import__(name, globals, locals, fromlist, level)
        with self._active():
            return builtins.__import__(name, globals, locals, fromlist, level)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global streams of Python, numpy and torch, which users' code draws from; put them back afterwards."""
    before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of one tree and nothing else."""

    def __init__(self, folder: Path, files: dict[str, Path], importer: Callable[..., Any]) -> None:
        self._folder, self._files, self._importer = folder, files, importer

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        place = self._folder.joinpath(*fullname.split("."))
        if file := self._files.get(fullname):
            inside = [str(place)] if file.name == "__init__.py" else None
            loader = _Loader(fullname, str(file), self._importer)
            return importlib.util.spec_from_file_location(
                fullname, file, loader=loader, submodule_search_locations=inside
            )
        if any(name.startswith(fullname + ".") for name in self._files):  # a folder without __init__.py
            spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [str(place)]
            return spec
        return None


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles the source each time, and gives the module its own ``__import__``."""

    def __init__(self, fullname: str, path: str, importer: Callable[..., Any]) -> None:
        super().__init__(fullname, path)
        self._importer = importer

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._importer}
        super().exec_module(module)


def _dotted(file: str) -> str:
    """ "a/__init__.py" -> "a", "a/b.py" -> "a.b"."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
