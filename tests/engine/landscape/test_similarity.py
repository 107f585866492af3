import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from engine.studies.landscape import similarity
from engine.studies.landscape.distances import function_distances, off_diagonal_mean, weight_distances
from engine.studies.landscape.representations import feature_layers, layer_features, mixed_inputs, network_outputs
from engine.studies.landscape.similarity import CONSTANT, FEW, INFINITE, NOISE, CkaAccumulator, DifferentInputs, cka
from tests.engine.landscape.functional import Functional, clouds, mlp
from tests.engine.landscape.test_products import Normed


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def biased(x, y):
    """Kornblith et al. 2019 with kernels and centring matrices, word by word."""
    n = len(x)
    h = np.eye(n) - 1 / n
    k, m = (h @ (np.asarray(a) @ np.asarray(a).T) @ h for a in (x, y))
    return (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())


def unbiased_hsic(k, m):
    """Song et al. 2012, equation 5, word by word."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    inside = np.trace(k @ m) + one @ k @ one * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ m @ one)
    return inside / (n * (n - 3))


def debiased(x, y):
    k, m = (np.asarray(a) @ np.asarray(a).T for a in (x, y))
    return unbiased_hsic(k, m) / np.sqrt(unbiased_hsic(k, k) * unbiased_hsic(m, m))


SHAPES = [(40, 3), (40, 25), (40, 90)]  # narrow, and wider than there are inputs


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("flag", "formula"), [(False, biased), (True, debiased)])
def test_agrees_with_the_definition(wide, flag, formula):
    first = [draw(*shape, seed=i) + 3 for i, shape in enumerate(SHAPES)]
    second = [first[0] @ draw(3, 60 if wide else 4, seed=9) + 0.3 * draw(40, 60 if wide else 4, seed=10), first[1]]
    found = cka(first, second, debiased=flag).values
    expected = [[formula(x, y) for y in second] for x in first]
    assert np.allclose(found, expected, atol=1e-12)
    assert np.allclose(cka(first, debiased=flag).values, [[formula(x, y) for y in first] for x in first], atol=1e-12)


def test_features_and_kernels_agree():
    wide = [draw(30, 200, seed=i) for i in range(2)]
    narrow = [draw(30, 2, seed=i) for i in range(3)]
    both = cka(wide + narrow).values
    assert np.allclose(both[2:, 2:], cka(narrow).values, atol=1e-12)
    assert np.allclose(both[:2, :2], cka(wide).values, atol=1e-12)


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("alone", [False, True])
def test_wide_features_in_single_precision_agree_with_the_formula_of_features(alone, flag, monkeypatch):
    """1024 features of 203 inputs, with means far above the spread, by kernels: ten stripes and a remainder."""
    ways = []
    for name in ("_by_kernels", "_by_features"):
        plain = getattr(similarity, name)
        monkeypatch.setattr(similarity, name, lambda *a, plain=plain, name=name: ways.append(name) or plain(*a))
    shared = torch.randn(203, 40, generator=torch.Generator().manual_seed(9))
    one, other = (
        [
            100
            + torch.randn(203, 1024, generator=torch.Generator().manual_seed(seed)) / 4
            + shared.repeat(1, 26)[:, :1024]
            for seed in seeds
        ]
        for seeds in ((1, 2), (3, 4))
    )
    found = cka(one, None if alone else other, debiased=flag).values
    assert ways == ["_by_kernels"]
    monkeypatch.setattr(similarity, "_inner", by_features)
    wide = [[part.double() for part in side] for side in (one, one if alone else other)]
    np.testing.assert_allclose(found, cka(*wide, debiased=flag).values, rtol=0, atol=1e-6)


def by_features(ones, others):
    return similarity._by_features(ones, others), (similarity._margins(ones), similarity._margins(others))


@pytest.mark.parametrize("size", [1e-30, 1e-12, 1e12, 1e30])
@pytest.mark.parametrize("shape", [(40, 3), (40, 90)])
def test_huge_and_tiny_values_keep_their_similarity(shape, size):
    x, y = draw(*shape).float(), draw(*shape, seed=1).float()
    for flag in (False, True):
        assert cka([x * size], [y], debiased=flag).values == pytest.approx(
            cka([x], [y], debiased=flag).values, abs=1e-6
        )


@pytest.mark.parametrize("stripe", [1, 7, 1 << 28])
def test_stripes_of_any_height_make_the_same_kernels(monkeypatch, stripe):
    parts = [draw(23, 50, seed=i) for i in range(3)]
    expected = cka(parts[:2], parts[2:], debiased=True).values
    monkeypatch.setattr(similarity, "STRIPE_BYTES", stripe * 8 * 23 * 3)
    monkeypatch.setattr(similarity, "STRIPES", 1)
    np.testing.assert_allclose(cka(parts[:2], parts[2:], debiased=True).values, expected, rtol=1e-9)


@pytest.mark.parametrize("flag", [False, True])
def test_invariant_to_rotation_scale_and_shift_but_not_to_shear(flag):
    x, y = draw(50, 6), draw(50, 6) @ draw(6, 4, seed=2)
    q, _ = torch.linalg.qr(draw(6, 6, seed=5))
    base = cka([x], [y], debiased=flag).values
    assert np.allclose(cka([7.5 * x @ q + 2], [y], debiased=flag).values, base, atol=1e-12)
    sheared = x @ torch.diag(torch.tensor([30.0, 1, 1, 1, 1, 1]).double())
    assert abs(cka([sheared], [y], debiased=flag).values - base) > 0.01


@given(st.integers(4, 30), st.integers(1, 40), st.integers(1, 40), st.integers(0, 1000), st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_shapes_agree_with_the_definition_and_are_symmetric(n, one, other, seed, flag):
    x, y = draw(n, one, seed=seed), draw(n, other, seed=seed + 1) + 5
    with np.errstate(invalid="ignore"):
        expected = (debiased if flag else biased)(x, y)
    found = cka([x], [y], debiased=flag)
    if not (found.reasons_first or found.reasons_second):
        assert found.values[0, 0] == pytest.approx(expected, abs=1e-6, rel=1e-4)
        assert cka([y], [x], debiased=flag).values[0, 0] == pytest.approx(found.values[0, 0], rel=1e-6)
    else:
        assert flag and np.isnan(found.values).all()


def test_single_precision_is_enough():
    x, y = draw(200, 700), draw(200, 700, seed=1)
    for flag in (False, True):
        double, single = (cka([a], [b], debiased=flag).values[0, 0] for a, b in ((x, y), (x.float(), y.float())))
        assert single == pytest.approx(double, abs=1e-5)


def test_low_precision_features_are_accepted():
    x = draw(50, 8).to(torch.bfloat16)
    assert cka([x], [x.float()]).values[0, 0] == pytest.approx(1, abs=1e-5)


def test_identical_is_one_and_values_lie_between():
    x = [draw(50, d, seed=d) for d in (2, 9, 70)]
    values = cka(x).values
    assert np.allclose(np.diag(values), 1) and np.allclose(values, values.T)
    assert (values >= 0).all() and (values <= 1 + 1e-12).all()


def test_wide_independent_features_look_alike_only_to_the_biased_estimator():
    pairs = [(draw(60, 400, seed=2 * i), draw(60, 400, seed=2 * i + 1)) for i in range(8)]
    plain = [cka([x], [y]).values[0, 0] for x, y in pairs]
    fair = [cka([x], [y], debiased=True).values[0, 0] for x, y in pairs]
    assert min(plain) > 0.8
    assert abs(np.mean(fair)) < 0.02


def test_minibatches_average_hsic_and_approach_the_whole():
    x = draw(2000, 10)
    y = x @ draw(10, 10, seed=3) + 2 * draw(2000, 10, seed=4)
    whole = cka([x], [y], debiased=True).values[0, 0]
    parts, small = CkaAccumulator(), CkaAccumulator(debiased=False)
    for a, b in zip(x.split(20), y.split(20), strict=True):
        parts.update([a], [b])
        small.update([a], [b])
    assert parts.batches == 100
    assert parts.value().values[0, 0] == pytest.approx(whole, abs=0.02)
    assert small.value().values[0, 0] > whole + 0.05  # small batches raise the biased value


def test_a_single_batch_is_the_plain_value():
    x, y = [draw(30, 5)], [draw(30, 7, seed=1)]
    one = CkaAccumulator(debiased=True)
    one.update(x, y)
    assert one.value().values == pytest.approx(cka(x, y, debiased=True).values)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8])
def test_constant_outputs_are_undefined_with_a_reason(value):
    x = torch.full((30, 10), value)
    found = cka([x, draw(30, 3)], [draw(30, 3)])
    assert np.isnan(found.values[0, 0]) and np.isfinite(found.values[1, 0])
    assert found.reasons_first == {0: CONSTANT} and found.reasons_second == {}


def test_a_dead_network_with_rounding_noise_is_undefined_too():
    logits = torch.zeros(30, 10) + torch.randn(10)
    noisy = logits * (1 + 1e-7 * torch.randn(30, 10))
    assert np.isnan(cka([noisy.softmax(1)]).values).all()


def test_other_reasons():
    broken = draw(30, 3)
    broken[3, 1] = torch.nan
    assert cka([broken]).reasons_first == {0: INFINITE}
    assert cka([draw(3, 2)], debiased=True).reasons_first == {0: FEW}
    assert np.isfinite(cka([draw(3, 2)]).values).all()
    assert cka([draw(1, 2)]).reasons_first == {0: CONSTANT}
    found = cka([torch.eye(6)], [draw(6, 2)], debiased=True)  # kernel without off-diagonal entries
    assert found.reasons_first == {0: NOISE} and np.isnan(found.values).all()


def test_different_numbers_of_inputs_are_an_error():
    with pytest.raises(DifferentInputs, match="5 inputs, another 6"):
        cka([draw(5, 2)], [draw(6, 2)])
    with pytest.raises(DifferentInputs):
        cka([draw(5, 2), draw(6, 2)])


# ----------------------------------------------------------------------------------------------------- representations
def test_mixed_inputs_repeat_for_a_seed_and_lie_between_examples():
    x = draw(300, 4)
    one, again, other = (torch.cat(list(mixed_inputs(x, seed))) for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert one.shape == x.shape and torch.allclose(one.mean(0), x.mean(0), atol=1e-6)
    ones = torch.cat(list(mixed_inputs(torch.ones(10, 1), 0)))
    assert torch.allclose(ones, torch.ones(10, 1))
    assert float(one.var()) < 0.8 * float(x.var())  # a mean of two with a share near a half has half the variance


def test_mixing_share_follows_the_beta_distribution():
    x = torch.arange(2.0)[:, None].repeat(400, 1)
    shares = [float(b.max(0).values) for b in mixed_inputs(x, 0, batch_size=2) if 0 < b.min() < b.max() < 1]
    assert len(shares) > 100
    assert np.mean([max(s, 1 - s) for s in shares]) == pytest.approx(0.569, abs=0.02)  # E max(l, 1 - l), Beta(16, 16)


def test_outputs_as_logits_or_probabilities():
    net, (x, _) = Functional(mlp(5, 4, 3)), clouds(20)
    logits = network_outputs(net.outputs, net.params, x.split(7), "logits")
    assert torch.allclose(logits, net.outputs(net.params, x), atol=1e-6)
    assert torch.allclose(network_outputs(net.outputs, net.params, [x]), logits.softmax(1), atol=1e-6)


def test_layers_are_recorded_in_evaluation_mode_and_nothing_stays_behind():
    module = Normed()
    net, (x, _) = Functional(module), clouds(20)
    names = feature_layers(module)
    assert names == ["body.0", "body.1", "body.2", "body.3"]
    found = layer_features(module, {**net.params, **net.buffers}, x, names)
    assert [tuple(part.shape) for part in found] == [(20, 6), (20, 6), (20, 6), (20, 3)]
    assert torch.equal(found[1], found[2])  # dropout is off
    assert module.training and not any(part._forward_hooks for part in module.modules())
    with torch.no_grad():
        assert torch.allclose(found[3], module.eval()(x), atol=1e-6)


def test_layers_with_maps_are_flattened():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(18, 3))
    conv, relu = layer_features(module, dict(module.named_parameters()), torch.randn(4, 1, 5, 5), ["0", "1"])
    assert conv.shape == (4, 18) and float(conv.min()) < 0 <= float(relu.min())
    assert np.isfinite(cka([conv], [relu]).values).all()


# ------------------------------------------------------------------------------------------------------------ distances
def test_function_distances_by_hand():
    p = torch.tensor([[0.9, 0.1], [0.2, 0.8]]).double()
    q = torch.tensor([[0.5, 0.5], [0.6, 0.4]]).double()
    found = function_distances([p.log() + 3, q.log()])
    assert found.disagreement[0, 1] == 0.5
    assert found.total_variation[0, 1] == pytest.approx(0.4)
    expected = float((p * (p / q).log()).sum(1).mean())
    assert found.divergence[0, 1] == pytest.approx(expected) and found.divergence[1, 0] != pytest.approx(expected)
    for matrix in (found.disagreement, found.total_variation, found.divergence):
        assert np.diag(matrix) == pytest.approx([0, 0])


def test_function_distances_survive_certainty_and_tell_nan():
    sure = torch.tensor([[800.0, 0.0]])
    found = function_distances([sure, -sure, torch.tensor([[float("nan"), 0.0]])])
    assert found.total_variation[0, 1] == 1 and found.divergence[0, 1] == pytest.approx(800)
    assert np.isnan(found.disagreement[2]).all() and np.isfinite(found.disagreement[:2, :2]).all()


def test_weight_distances_are_euclidean():
    vectors = [torch.zeros(4), torch.tensor([3.0, 0, 0, 4]), torch.ones(4)]
    assert np.allclose(weight_distances(vectors), [[0, 5, 2], [5, 0, np.sqrt(15)], [2, np.sqrt(15), 0]])


def test_mean_over_pairs_leaves_out_the_diagonal_and_nan():
    matrix = np.array([[1, 0.5, np.nan], [0.3, 1, 0.4], [np.nan, 0.4, 1]])
    assert off_diagonal_mean(matrix) == pytest.approx(0.4)
    assert np.isnan(off_diagonal_mean(np.ones((1, 1))))
