"""What the tests of training share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def compiler_cache(tmp_path_factory):
    """torch's optimisers, the oracle here, import its compiler, which makes a folder at once."""
    folder = Path(tmp_path_factory.mktemp("inductor"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "TORCHINDUCTOR_CACHE_DIR", str(folder))
        yield
