"""CKA of five runs with five runs on 2000 inputs, in CPU seconds."""

import time

import numpy as np
import pytest
import torch

from engine.studies.landscape.similarity import cka

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(300)]


# Ten kernels of 4096 features are 1.6e11 operations even where half of each is computed: two seconds of one core.
@pytest.mark.parametrize(("width", "limit"), [(10, 1), (64, 1), (512, 1), (4096, 4)])
@pytest.mark.parametrize("debiased", [False, True])
def test_five_by_five_runs_within_seconds(width, limit, debiased):
    torch.set_num_threads(1)
    runs = [torch.randn(2000, width, generator=torch.Generator().manual_seed(seed)) for seed in range(10)]
    seconds = []
    for _ in range(3):
        start = time.process_time()
        values = cka(runs[:5], runs[5:], debiased=debiased).values
        seconds.append(time.process_time() - start)
    print(f"width {width}, debiased {debiased}: {np.median(seconds):.3f} s")
    assert values.shape == (5, 5) and np.isfinite(values).all()
    assert np.median(seconds) <= limit


def test_all_pairs_of_five_runs_with_wide_features_within_a_second():
    torch.set_num_threads(1)
    runs = [torch.randn(2000, 512, generator=torch.Generator().manual_seed(seed)) for seed in range(5)]
    start = time.process_time()
    values = cka(runs, debiased=True).values
    seconds = time.process_time() - start
    print(f"5 runs of 512 features, all pairs: {seconds:.3f} s")
    assert values.shape == (5, 5)
