"""Peak memory of curvature, curve and similarity on ResNet-20 (272,000 weights) in a fresh process."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

SCRIPT = """
import resource
import torch
import torch.nn.functional as F
from engine.models.builtin import build
from engine.models.config import Resnet
from engine.studies.landscape.curve import Curve, CurveSettings, train_curve
from engine.models.order import check_second_derivatives
from engine.studies.landscape.products import HessianOperator, batch_size_for
from engine.studies.landscape.representations import layer_features
from engine.studies.landscape.similarity import CkaAccumulator
from engine.studies.landscape.spectrum import estimate_spectrum
from engine.studies.landscape.vectors import split_batches

torch.set_num_threads(1)
net, other = (build(Resnet(), (3, 32, 32), 10, seed).eval() for seed in (0, 1))
params, ends = ({n: p.detach() for n, p in m.named_parameters()} for m in (net, other))
buffers = dict(net.named_buffers())
loss = lambda p, b: F.cross_entropy(torch.func.functional_call(net, dict(p), (b[0],)), b[1])
x, y = torch.randn(256, 3, 32, 32), torch.randint(10, (256,))
check_second_derivatives(loss, params, (x, y), fixed=buffers)
size = batch_size_for(loss, params, (x, y), fixed=buffers)


class Cheap(HessianOperator):
    # after the first two products a diagonal stands in: the vectors held are the same, a hundred times faster
    def _all(self, rows):
        return super()._all(rows) if self.products < 3 else rows * torch.linspace(-0.1, 1, self.size) ** 7


operator = Cheap(loss, params, split_batches(x, y, size), fixed=buffers)
for _ in estimate_spectrum(operator, lead_steps=(100, 100), density_probes=8, density_steps=40, max_probes=16):
    pass
settings = CurveSettings(steps=4, max_steps=4, block=2)
for _ in train_curve(loss, params, Curve.between(params, ends), (x, y), settings, fixed=buffers, module=net):
    pass
layers = [name for name, _ in net.named_modules() if name.endswith(("conv1", "conv2"))]
similar = CkaAccumulator()
for batch in x.split(64):
    similar.update(*(layer_features(m, dict(m.state_dict()), batch, layers) for m in (net, other)))
print(size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="getrusage counts in other units elsewhere")
def test_resnet20_stays_below_one_and_a_half_gigabytes():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    size, peak = map(float, done.stdout.split())
    print(f"batches of {size:.0f}, peak {peak:.0f} MB")
    assert peak <= 1500
