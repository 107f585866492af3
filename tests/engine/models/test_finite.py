"""Weights that cannot be measured on are refused by name."""

import pytest
import torch

from engine.models.finite import NotFinite, require_finite


def test_nan_is_named_and_counted():
    with pytest.raises(NotFinite, match=r"b is not finite.*1 of its 2"):
        require_finite({"a": torch.ones(2), "b": torch.tensor([1.0, float("nan")]), "c": torch.tensor([1])})
