"""TF32 is off wherever something is computed on CUDA."""

import subprocess
import sys

import pytest
import torch

from engine.precision import forbid_tf32


@pytest.fixture
def allowed():
    """TF32 on in both places, and afterwards as it was."""
    places = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [place.allow_tf32 for place in places]
    for place in places:
        place.allow_tf32 = True
    yield
    for place, value in zip(places, before, strict=True):
        place.allow_tf32 = value


@pytest.mark.parametrize("device", ["cuda:0", "cpu"])
def test_both_flags_are_switched_off_where_torch_is_loaded(allowed, device):
    assert torch.backends.cuda.matmul.allow_tf32 and torch.backends.cudnn.allow_tf32
    assert forbid_tf32(device) is False
    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.allow_tf32


SCRIPT = """
import sys
from engine.precision import forbid_tf32
print(forbid_tf32("cpu"), "torch" in sys.modules, forbid_tf32("cuda:1"), "torch" in sys.modules)
sys.modules["torch"] = None
print(forbid_tf32("cuda:0"))
"""


def test_torch_is_loaded_for_cuda_only_and_may_be_missing():
    done = subprocess.run([sys.executable, "-W", "error", "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "False", "False", "True", "None"]
