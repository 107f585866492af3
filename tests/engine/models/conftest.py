"""Users' model files for the tests of models."""

import os
import textwrap
from pathlib import Path

import pytest

from engine.models.consent import grant
from engine.models.freeze import freeze
from engine.models.userfile import UserFile

GOOD = """
import torch
from torch import nn

def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 10))
"""


@pytest.fixture(autouse=True, scope="session")
def compiler_cache(tmp_path_factory):
    """torch.func imports torch's compiler, which makes a folder at once."""
    folder = Path(tmp_path_factory.mktemp("inductor"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "TORCHINDUCTOR_CACHE_DIR", str(folder))
        yield


@pytest.fixture
def write(tmp_path):
    """``write({"model.py": text, ...})`` makes a folder of the user's; returns the path of its model.py."""

    def make(files, folder="mine"):
        root = tmp_path / folder
        for name, text in ({"model.py": files} if isinstance(files, str) else files).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(textwrap.dedent(text))
        return root / "model.py"

    return make


@pytest.fixture
def user(write, tmp_path):
    """``user(files)`` writes, freezes, confirms and loads a model file."""
    count = 0

    def load(files):
        nonlocal count
        count += 1
        source = freeze(write(files, f"mine{count}"), tmp_path / f"frozen{count}")
        grant(source.sha256, "model.py")
        return UserFile(source)

    return load
