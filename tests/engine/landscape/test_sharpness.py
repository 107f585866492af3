import numpy as np
import pytest
import torch
from torch import nn

from engine.models.finite import NotFinite
from engine.studies.landscape.sharpness import ball_sharpness, epsilon_sharpness, m_sharpness
from engine.studies.landscape.spectrum import mean_interval
from engine.studies.landscape.vectors import NoExamples, split_batches
from tests.engine.landscape.functional import Functional, clouds, fit, mlp, quadratic, with_spectrum

DATA = clouds(60)


def diagonal(values, at):
    """A quadratic with this diagonal, minimum at 0, seen from ``at``."""
    loss, _, batches = quadratic(torch.diag(torch.tensor(values, dtype=torch.float64)))
    return loss, {"w": torch.tensor(at, dtype=torch.float64)}, batches


def relu_net():
    return fit(Functional(mlp(5, 8, 3, act=nn.ReLU)), DATA, 200)


def rescaled(net, factors):
    """The same function: hidden unit i is made ``factors[i]`` times as large, and its outgoing weights smaller."""
    a = torch.as_tensor(factors)
    return {
        "0.weight": net.params["0.weight"] * a[:, None],
        "0.bias": net.params["0.bias"] * a,
        "2.weight": net.params["2.weight"] / a,
        "2.bias": net.params["2.bias"],
    }


def test_rescaling_keeps_the_function():
    net = relu_net()
    params = rescaled(net, [2.0, 0.5, 4, 8, 0.25, 1, 2, 16])
    assert torch.allclose(net.outputs(params, DATA[0]), net.outputs(net.params, DATA[0]), atol=1e-4)


# ------------------------------------------------------------------------------------------------- epsilon-sharpness
def test_epsilon_sharpness_of_a_quadratic_is_the_value_at_the_corner():
    """At w the box has half-width eps (|w_i| + 1); L is largest where every coordinate moves outwards."""
    loss, params, batches = diagonal([3.0, 1.0], [1.0, -2.0])
    found = epsilon_sharpness(loss, params, batches, epsilon=0.1)
    base, top = 0.5 * (3 + 4), 0.5 * (3 * 1.2**2 + 2.3**2)
    assert found.loss == pytest.approx(base)
    assert found.value == pytest.approx(100 * (top - base) / (1 + base))
    assert found.interval[0] <= found.value <= found.interval[1]


def test_epsilon_sharpness_leaves_a_stationary_point():
    """At the minimum the gradient is zero: random corners find the rise."""
    loss, params, batches = diagonal([3.0, 1.0], [0.0, 0.0])
    assert epsilon_sharpness(loss, params, batches, epsilon=0.1).value == pytest.approx(100 * 0.5 * 4 * 0.01)


def test_epsilon_sharpness_stays_in_the_box_and_is_a_lower_bound():
    loss, params, batches = quadratic(with_spectrum([5.0, 2.0, -1.0, 0.5, 0.1]))
    found = epsilon_sharpness(loss, params, batches, epsilon=0.05)
    corners = torch.tensor(np.array(np.meshgrid(*[[-1, 1]] * 5)).reshape(5, -1).T)
    values = [float(loss({"w": params["w"] + 0.1 * corner}, None)) for corner in corners]
    best = 100 * (max(values) - found.loss) / (1 + found.loss)
    assert 0.9 * best <= found.value <= best * (1 + 1e-9)


def test_epsilon_sharpness_is_seeded_and_not_invariant_to_rescaling():
    net, batches = relu_net(), split_batches(*DATA, 30)
    one, again = (epsilon_sharpness(net.loss, net.params, batches, seed=2) for _ in range(2))
    assert np.array_equal(one.samples, again.samples) and len(one.samples) == 3
    steep = epsilon_sharpness(net.loss, rescaled(net, [50.0] * 8), batches)
    assert steep.value > 2 * one.value


# -------------------------------------------------------------------------------------------------------- m-sharpness
def test_m_sharpness_of_a_quadratic_by_hand():
    """One step goes rho along the gradient (3, 4) / 5."""
    loss, params, batches = diagonal([1.0, 1.0], [3.0, 4.0])
    found = m_sharpness(loss, params, batches, rho=0.5)
    assert found.value == pytest.approx(0.5 * (5.5**2 - 5**2))
    assert found.interval is None and found.loss == pytest.approx(12.5)


def test_adaptive_m_sharpness_of_a_quadratic_by_hand():
    """d = rho T^2 g / |T g| with T = |w| = (3, 4), g = (3, 4): T g = (9, 16)."""
    loss, params, batches = diagonal([1.0, 1.0], [3.0, 4.0])
    step = 0.1 * np.array([27, 64]) / np.hypot(9, 16)
    expected = 0.5 * (((np.array([3, 4]) + step) ** 2).sum() - 25)
    assert m_sharpness(loss, params, batches, rho=0.1, adaptive=True).value == pytest.approx(expected)


def test_more_steps_climb_higher_but_stay_in_the_ball():
    loss, params, batches = diagonal([10.0, 1.0], [0.01, 1.0])
    one, many = (m_sharpness(loss, params, batches, rho=0.5, steps=steps).value for steps in (1, 30))
    angles = np.linspace(0, 2 * np.pi, 2000)
    ring = params["w"] + 0.5 * torch.tensor(np.stack([np.cos(angles), np.sin(angles)], 1))
    best = max(float(loss({"w": point}, None)) for point in ring) - float(loss(params, None))
    assert one < many <= best * (1 + 1e-6)
    assert many > 0.95 * best


def test_adaptive_sharpness_is_invariant_to_node_rescaling_and_plain_is_not():
    net, batches = relu_net(), split_batches(*DATA, 20)
    other = rescaled(net, [2.0, 0.5, 4, 8, 0.25, 1, 2, 16])
    for steps in (1, 3):
        one, two = (m_sharpness(net.loss, p, batches, adaptive=True, steps=steps) for p in (net.params, other))
        assert one.value == pytest.approx(two.value, rel=1e-3)
    plain = [m_sharpness(net.loss, p, batches).value for p in (net.params, other)]
    assert abs(plain[1] - plain[0]) > 0.1 * plain[0]


def test_m_sharpness_has_an_interval_over_batches():
    net = relu_net()
    found = m_sharpness(net.loss, net.params, split_batches(*DATA, 10))
    assert len(found.samples) == 6
    assert found.interval == mean_interval(found.samples) and found.interval[0] < found.value < found.interval[1]
    assert found.loss == pytest.approx(float(net.loss(net.params, DATA)), rel=1e-5)


def test_a_flat_loss_is_not_sharp():
    params, batches = {"w": torch.ones(3)}, split_batches(*DATA, 30)
    for adaptive in (False, True):
        assert m_sharpness(lambda p, b: 0 * p["w"].sum(), params, batches, adaptive=adaptive).value == 0
    assert epsilon_sharpness(lambda p, b: 0 * p["w"].sum(), params, batches).value == 0


# --------------------------------------------------------------------------------------------------------------- ball
def test_ball_sharpness_of_a_quadratic_has_the_known_mean():
    """For one filter, E L(w + r d) - L(w) = r^2 |w|^2 trace / 2P, as d is uniform on the sphere of radius |w|."""
    matrix = with_spectrum([3.0, 2.0, 1.0, 0.5])
    params = {"w": torch.tensor([[1.0, 2.0, 0.0, 1.0]], dtype=torch.float64)}
    loss = lambda p, b: 0.5 * (p["w"] @ matrix @ p["w"].T).sum()  # noqa: E731
    mean, top = ball_sharpness(loss, params, [DATA], radius=0.5, directions=50, repeats=8)
    expected = 0.25 * 6 * 6.5 / (2 * 4)
    assert mean.interval[0] < expected < mean.interval[1]
    assert top.value > mean.value and len(mean.samples) == 400 and len(top.samples) == 8
    assert top.interval[0] < top.value < top.interval[1]


def test_ball_sharpness_is_seeded_and_invariant_to_rescaling_layers():
    net, batches = relu_net(), split_batches(*DATA, 30)
    measure = lambda params, seed=0: ball_sharpness(net.loss, params, batches, directions=3, repeats=2, seed=seed)  # noqa: E731
    one, same, other = measure(net.params), measure(rescaled(net, [4.0] * 8)), measure(net.params, 1)
    for k in (0, 1):
        assert one[k].value == pytest.approx(same[k].value, rel=1e-3)
        assert one[k].value != other[k].value


# ---------------------------------------------------------------------------------------------------------- everything
@pytest.mark.parametrize("measure", [epsilon_sharpness, m_sharpness, ball_sharpness])
def test_bad_input_is_refused_and_one_example_is_enough(measure):
    net = relu_net()
    with pytest.raises(NoExamples):
        measure(net.loss, net.params, [])
    result = measure(net.loss, net.params, split_batches(*clouds(1), 1))
    for found in result if isinstance(result, tuple) else (result,):
        assert np.isfinite(found.value)
    broken = {**net.params, "2.bias": net.params["2.bias"] * np.nan}
    with pytest.raises(NotFinite, match=r"2\.bias"):
        measure(net.loss, broken, [DATA])


def test_tick_is_called_at_each_evaluation():
    net, ticks = relu_net(), []
    m_sharpness(net.loss, net.params, split_batches(*DATA, 20), tick=lambda: ticks.append(1))
    assert len(ticks) == 6


def test_interval_of_a_mean():
    low, high = mean_interval(np.array([1.0, 2, 3, 4]))
    assert (low, high) == (pytest.approx(0.4457, abs=1e-4), pytest.approx(4.5543, abs=1e-4))
    assert mean_interval(np.array([1.0])) is None and mean_interval(np.array([1.0, np.nan])) is None
