"""Passes in torch against passes in NumPy, on torch's own processor device."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from engine.studies.mixture.bootstrap.bagged import bagged_em
from engine.studies.mixture.em import device_rows
from engine.studies.mixture.em.device_rows import DeviceRows, rows_on
from engine.studies.mixture.em.em import Control, expectation_maximisation
from engine.studies.mixture.em.kernels import CholeskyKernel
from engine.studies.mixture.em.sweep import MemoryRows, sweep
from engine.studies.mixture.em.variants import annealed_em
from engine.studies.mixture.search import fit as fitting
from engine.studies.mixture.search.fit import Options, fit, prepare, rows_for, starts_of
from tests.engine.mixture.conftest import blobs

HERE = torch.device("cpu")
NAMES = ("log_likelihood", "n", "first", "second")


@pytest.fixture(autouse=True)
def _every_size(monkeypatch):
    """Also small tables go to the device."""
    monkeypatch.setattr(fitting, "DEVICE_FROM", 0)


def both(x, model="VVV", chains=4, dtype=np.float64, weights=None, **more):
    options = Options(prior="off")
    task = prepare(x, 3, model, options)
    params = starts_of(task, options).parameters(range(chains))
    device = DeviceRows(task.rows.x, HERE)
    return [sweep(rows, params, weights=weights, dtype=dtype, **more) for rows in (device, task.rows)]


@pytest.mark.parametrize("family", ["VVV", "VVI", "EEE", "EII"])
@pytest.mark.parametrize("kind", ["none", "one", "each"])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-10), (np.float32, 2e-4)])
def test_sums_are_those_of_numpy(overlapping, family, kind, dtype, rtol):
    x, _ = overlapping
    rng = np.random.default_rng(0)
    weights = {"none": None, "one": rng.random(len(x)), "each": rng.integers(0, 3, (4, len(x))) * 1.0}[kind]
    for told in (None, family):
        mine, theirs = both(x, family, dtype=dtype, weights=weights, family=told)
        for name in NAMES:
            a, b = getattr(mine, name), getattr(theirs, name)
            assert a.dtype == np.float64
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max(), err_msg=name)


def test_the_cholesky_kernel_too(overlapping):
    mine, theirs = both(overlapping[0], kernel=CholeskyKernel())
    for name in NAMES:
        np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), rtol=1e-10, atol=1e-9)


def test_blocks_add_up_and_are_seen(overlapping, monkeypatch):
    x, _ = overlapping
    monkeypatch.setattr(device_rows, "MEMBERSHIPS", 1)
    monkeypatch.setattr(device_rows, "CACHED_FEATURES", 0)
    seen: list[tuple[int, int]] = []
    z = np.zeros((3, 4, len(x)))

    def visit(block, memberships, density):
        seen.append((block.start, block.stop))
        z[:, :, block] = memberships
        assert density.shape == memberships.shape[1:]

    mine, theirs = both(x, visit=visit)
    assert seen[:2] == [(0, 256), (256, 400)]
    np.testing.assert_allclose(z.sum(axis=0), 1, rtol=1e-12)
    np.testing.assert_allclose(mine.second, theirs.second, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("family", ["VVV", "VEI", "EEE"])
def test_whole_fits_are_equal(family):
    x, _ = blobs(900, 4.0 * np.eye(3, 4), seed=2)
    here, there = (fit(x, 3, family, Options(starts=12, device=name)) for name in ("cpu", "cpu:0"))
    assert there.log_likelihood == pytest.approx(here.log_likelihood, rel=1e-9)
    np.testing.assert_array_equal(there.mixture.labels(x), here.mixture.labels(x))
    np.testing.assert_array_equal(there.starts, here.starts)


def test_rough_climbs_in_single_precision_end_in_double():
    x, _ = blobs(7000, 4.0 * np.eye(3), seed=4)
    here, there = (fit(x, 3, "VVV", Options(starts=12, device=name)) for name in ("cpu", "cpu:0"))
    assert isinstance(prepare(x, 3, "VVV", Options(device="cpu:0")).rows, DeviceRows)
    # Rough climbs end elsewhere by the noise of single precision: fits agree within the tolerance that stops them.
    assert there.log_likelihood == pytest.approx(here.log_likelihood, abs=0.1 * Options().tolerance * len(x))
    assert (there.mixture.labels(x) == here.mixture.labels(x)).mean() > 0.999


def test_resamples_run_there_too(overlapping):
    x, _ = overlapping
    found = []
    for name in ("cpu", "cpu:0"):
        options = Options(starts=5, device=name)
        best = fit(x, 3, "VVV", options)
        task = prepare(x, 3, "VVV", options)
        start = best.params.take(np.array([best.best]))
        found.append(bagged_em(task.rows, start, "VVV", task.guard, Control(), 0, 4))
    assert found[1].out_of_bag == pytest.approx(found[0].out_of_bag, rel=1e-9)
    np.testing.assert_array_equal(found[1].labels, found[0].labels)


def test_other_responses_are_computed_on_the_host(overlapping):
    x, _ = overlapping
    options = Options(prior="off")
    task = prepare(x, 3, "VVV", options)
    begin = starts_of(task, options).parameters(range(2))
    ends = [
        annealed_em(rows, begin, "VVV", task.guard, Control(), 0).log_likelihood
        for rows in (task.rows, DeviceRows(task.rows.x, HERE))
    ]
    np.testing.assert_array_equal(*ends)


def test_too_little_memory_ends_on_the_processor_with_one_warning(overlapping, monkeypatch):
    x, _ = overlapping
    said: list[str] = []
    task = prepare(x, 3, "VVV", Options())
    begin = starts_of(task, Options()).parameters(range(2))
    rows, calls = DeviceRows(task.rows.x, HERE, said.append), 0
    right = device_rows.gather

    def full(*arguments):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return right(*arguments)

    monkeypatch.setattr(device_rows, "gather", full)
    mine = expectation_maximisation(rows, begin, "VVV", task.guard, Control())
    theirs = expectation_maximisation(task.rows, begin, "VVV", task.guard, Control())
    assert said == [device_rows.NO_MEMORY] and rows.device is None and calls == 3
    np.testing.assert_allclose(mine.log_likelihood, theirs.log_likelihood, rtol=1e-10)


def test_devices_that_cannot_serve_are_told(overlapping, monkeypatch):
    said: list[str] = []
    x = overlapping[0]
    assert type(rows_on("mps", x, said.append)) is MemoryRows

    def refuse(*_arguments):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(device_rows, "DeviceRows", refuse)
    assert type(rows_on("cpu:0", x, said.append)) is MemoryRows
    assert said == [device_rows.NO_DOUBLE, device_rows.NO_MEMORY]
    monkeypatch.undo()
    if not torch.cuda.is_available():
        with pytest.warns(RuntimeWarning, match="cannot be used"):
            assert type(rows_on("cuda:0", x)) is MemoryRows


def test_small_tables_and_the_processor_stay_with_numpy(monkeypatch):
    small, large = np.zeros((100, 2)), np.zeros((400, 80))
    monkeypatch.setattr(fitting, "DEVICE_FROM", 1 << 20)
    assert type(rows_for(small, Options(device="cpu:0"))) is MemoryRows
    assert type(rows_for(large, Options(device="cpu:0"))) is DeviceRows
    assert type(rows_for(large, Options())) is MemoryRows
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows_for(large, Options(device="mps"))
    assert [str(one.message) for one in caught] == [device_rows.NO_DOUBLE]


def test_fits_on_the_processor_do_not_import_torch():
    code = (
        "import sys, numpy as np; from engine.studies.mixture.search.fit import fit;"
        "import engine.studies.mixture.tasks.fit, engine.studies.mixture.tasks.select;"
        "fit(np.random.default_rng(0).normal(size=(60, 2)), 2); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
