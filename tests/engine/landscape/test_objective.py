"""Cross-entropy, accuracy and users' losses, example by example."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss
from torch.nn import functional as F

from engine.studies.landscape.objective import (
    NotClasses,
    check_classes,
    cross_entropies,
    hits,
    is_classification,
    summed,
    user_losses,
)


def scores(points: int = 3, classes: int = 5, examples: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(points, classes, examples, dtype=torch.float64, generator=stream)
    return logits, torch.randint(0, classes, (examples,), generator=stream)


def test_cross_entropy_agrees_with_scikit_learn():
    logits, targets = scores()
    for row, values in zip(logits, cross_entropies(logits, targets), strict=True):
        expected = log_loss(targets, row.softmax(0).T.numpy(), labels=range(5))
        assert float(values.mean()) == pytest.approx(expected, rel=1e-12)


def test_cross_entropy_agrees_with_torch_in_single_precision():
    logits, targets = scores()
    logits = logits.float()
    expected = torch.stack([F.cross_entropy(row.T, targets, reduction="none") for row in logits])
    torch.testing.assert_close(cross_entropies(logits, targets), expected, rtol=1e-6, atol=1e-7)


def test_a_tiny_loss_is_not_lost():
    logits = torch.tensor([[[30.0], [0.0]]], dtype=torch.float64)
    assert float(cross_entropies(logits, torch.tensor([0]))) == pytest.approx(math.exp(-30), rel=1e-3)


def test_overflow_stays_visible():
    logits = torch.tensor([[[math.inf, 0.0, math.nan], [0.0, -math.inf, 0.0]]])
    values = cross_entropies(logits, torch.tensor([1, 1, 0]))[0]
    assert not bool(torch.isfinite(values).any())
    assert float(values[1]) == math.inf


def test_hits_agree_with_scikit_learn():
    logits, targets = scores()
    for row, right in zip(logits, hits(logits, targets), strict=True):
        assert float(right.double().mean()) == accuracy_score(targets, row.argmax(0))


def test_the_first_of_equal_scores_counts():
    logits = torch.zeros(1, 4, 4)
    assert hits(logits, torch.arange(4)).tolist() == [[True, False, False, False]]


def test_undefined_outputs_are_wrong():
    logits = torch.full((1, 3, 3), torch.nan)
    logits[0, :, 1] = torch.tensor([0.0, 1.0, torch.inf])
    assert hits(logits, torch.tensor([0, 2, 1])).tolist() == [[False, True, False]]
    logits[0, :, 2] = 0.0
    assert hits(logits, torch.tensor([0, 2, 0])).tolist() == [[False, True, True]]


def test_sums_are_in_double_precision():
    values = torch.full((1, 100_000), 0.1)
    assert summed(values).dtype == np.float64
    assert summed(values)[0] == pytest.approx(100_000 * float(torch.tensor(0.1)), rel=1e-12)


@pytest.mark.parametrize(
    ("outputs", "targets", "reason"),
    [
        (torch.zeros(2), torch.zeros(2, dtype=torch.long), r"returns \(2,\)"),
        (torch.zeros(2, 3), torch.zeros(2), "torch.float32"),
        (torch.zeros(2, 3), torch.zeros(2, 1, dtype=torch.long), r"\(2, 1\)"),
        (torch.zeros(2, 3), torch.tensor([0, 3]), "from 0 to 3, the model knows classes 0 to 2"),
        (torch.zeros(2, 3), torch.tensor([-1, 2]), "from -1 to 2"),
    ],
)
def test_what_are_no_classes_is_refused(outputs, targets, reason):
    with pytest.raises(NotClasses, match=reason):
        check_classes(outputs, targets)


def test_classes_are_accepted():
    check_classes(torch.zeros(2, 3), torch.tensor([0, 2]))


def test_a_users_loss_is_taken_apart():
    outputs, targets = torch.randn(7, 2), torch.randn(7, 2)
    parts = user_losses(F.mse_loss, outputs, targets)
    torch.testing.assert_close(parts, (outputs - targets).square().mean(1))


def test_a_loss_that_branches_is_taken_apart_too():
    def loss(outputs, targets):
        error = (outputs - targets).abs().mean()
        return error if error > 1 else error**2

    outputs = torch.tensor([[0.5], [3.0]])
    assert user_losses(loss, outputs, torch.zeros(2, 1)).tolist() == [0.25, 3.0]


def test_accuracy_needs_classes():
    whole, real = torch.zeros(4, dtype=torch.long), torch.zeros(4)
    assert is_classification(torch.zeros(4, 2), whole)
    assert not is_classification(torch.zeros(4, 1), whole)
    assert not is_classification(torch.zeros(4, 2), real)
    assert not is_classification(torch.zeros(4), whole)
