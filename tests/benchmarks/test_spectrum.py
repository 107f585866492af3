"""Top eigenvalue, trace and density against PyHessian's algorithms: CPU time and accuracy in the same process."""

import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.studies.landscape.products import HessianOperator
from engine.studies.landscape.spectrum import density_grid, estimate_spectrum
from tests.benchmarks.curvature_peers import PowerIterationWay, broaden_by_loops
from tests.benchmarks.digits import cnn, digits, mlp, trained

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]
WITHIN = 0.04  # half-width of the trace's 95 % interval: an error of 2 % root mean square


def functional(module):
    params = {name: p.detach() for name, p in module.named_parameters()}
    return params, lambda p, batch: F.cross_entropy(torch.func.functional_call(module, dict(p), (batch[0],)), batch[1])


def distance(pairs, exact):
    """Mean over vectors' average of the Wasserstein distance between a quadrature and the eigenvalues."""
    grid = np.linspace(exact[0] - 0.5, exact[-1] + 0.5, 20_000)
    true = np.searchsorted(exact, grid, side="right") / len(exact)
    found = np.mean([np.array(w)[np.argsort(x)].cumsum()[np.searchsorted(np.sort(x), grid, side="right") - 1]
                     * (grid >= np.min(x)) for x, w in pairs], axis=0)  # fmt: skip
    return np.trapezoid(np.abs(found - true), grid)


def ours(module, x, y, seed):
    params, loss = functional(module)
    operator = HessianOperator(loss, params, [(x, y)])
    *_, found = estimate_spectrum(
        operator, smallest=0, trace_tolerance=WITHIN, density_probes=1, density_steps=12, seed=seed
    )
    grid, sigma = density_grid(found, 10_000)
    found.density(grid, sigma)
    return found.lead.values[0], found.trace()[0], found.quadratures(), operator.products


def their_defaults(module, x, y, seed):
    peer = PowerIterationWay(module, x, y, seed)
    value, trace, pairs = peer.eigenvalue(), peer.trace(), peer.density()
    broaden_by_loops(*pairs[0])
    return value, trace, pairs, peer.products


def their_way_as_accurate(module, x, y, seed):
    peer = PowerIterationWay(module, x, y, seed)
    value, trace, pairs = peer.eigenvalue(1e-5, 1000), peer.trace_within(WITHIN), peer.density()
    broaden_by_loops(*pairs[0])
    return value, trace, pairs, peer.products


def timed(function, *arguments):
    start = time.process_time()
    result = function(*arguments)
    return time.process_time() - start, result


def compare(module, x, y, top, trace, exact, seeds):
    """Method -> (median of seconds relative to ours, root mean square errors of top, trace, density)."""
    methods = (ours, their_defaults, their_way_as_accurate)
    rows = {method: [] for method in methods}
    ours(module, x, y, 99)  # warm up
    for seed in range(seeds):
        for method in methods:
            seconds, found = timed(method, module, x, y, seed)
            apart = distance(found[2], exact) if exact is not None else np.nan
            rows[method].append((seconds, found[0] / top - 1, found[1] / trace - 1, apart, found[3]))
    mine, result = np.array(rows[ours]), {}
    for method, row in ((method, np.array(row)) for method, row in rows.items()):
        errors, ratio = np.sqrt((row[:, 1:4] ** 2).mean(0)), np.median(row[:, 0] / mine[:, 0])
        print(f"{method.__name__}: {np.median(row[:, 0]):.3f} s, {row[:, 4].mean():.0f} products, top {errors[0]:.1e},"
              f" trace {errors[1]:.2%}, density {errors[2]:.4f}, time relative to ours {ratio:.1f}")  # fmt: skip
        result[method.__name__] = (ratio, *errors)
    return result


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def exact_spectrum(module, x, y):
    params, loss = functional(module)
    operator = HessianOperator(loss, params, [(x, y)], together=1)
    rows = [operator(torch.eye(operator.size)[i]) for i in range(operator.size)]
    matrix = torch.stack(rows).double()
    return np.linalg.eigvalsh(((matrix + matrix.T) / 2).numpy())


def check(found):
    _, top, trace, density = found["ours"]
    assert top < 5e-5 and trace < 0.02
    for peer in ("their_defaults", "their_way_as_accurate"):
        assert found[peer][0] >= 3
        assert top <= found[peer][1]
        assert np.isnan(density) or density <= found[peer][3]
    assert trace <= found["their_defaults"][2]


@pytest.mark.parametrize("steps", [300, 3000])
def test_mlp_three_times_faster_at_equal_accuracy(steps):
    x, y = digits()
    module = trained(mlp(24, 0), x, y, steps=steps)
    exact = exact_spectrum(module, x, y)
    check(compare(module, x, y, exact[-1], exact.sum(), exact, 5))


def test_cnn_three_times_faster_at_equal_accuracy():
    x, y = digits(300)
    module = trained(cnn(0), x, y)
    params, loss = functional(module)
    operator = HessianOperator(loss, params, [(x, y)])
    *_, good = estimate_spectrum(operator, trace_tolerance=0.006, density_probes=0, max_probes=400, seed=1000)
    check(compare(module, x, y, good.lead.values[0], good.trace()[0], None, 3))
