"""Generated datasets: series in the manner of MNIST-1D, and two moons."""

from __future__ import annotations

import numpy as np

from engine.data.dataset import Array
from engine.seeding import generator

POINTS = 40
PADDING = (36, 60)  # points added to the 12 of a template before resampling
SCALE = 0.4  # relative spread of the height
SHEAR = 0.75  # largest slope over the series
CORRELATED_NOISE = 0.25
CORRELATION = 2.0  # points, standard deviation of the smoothing kernel
NOISE = 0.02

# Drawn for this generator: how far a pen is to the right of the middle while it writes the digit downwards.
TEMPLATES = np.array(
    [
        [0.4, 1.2, 1.7, 1.9, 2.0, 2.0, 2.0, 2.0, 1.9, 1.7, 1.2, 0.4],
        [0.0, -1.8, -1.0, -0.5, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, -1.0, 1.0],
        [-0.8, 1.0, 1.8, 2.0, 1.6, 0.9, 0.1, -0.8, -1.6, -2.0, 0.0, 1.6],
        [-1.0, 1.4, 2.0, 1.6, 0.6, -0.6, 0.6, 1.6, 2.0, 1.8, 1.2, -1.0],
        [0.8, 0.2, -0.5, -1.2, -1.8, -2.2, 1.9, 0.6, 0.6, 0.6, 0.6, 0.6],
        [1.6, -1.6, -1.6, -1.6, -0.6, 1.2, 1.8, 2.0, 1.8, 1.4, 0.2, -1.2],
        [1.0, -0.4, -1.2, -1.7, -2.0, -1.4, -0.2, 0.6, 0.8, 0.5, -0.4, -1.2],
        [-1.6, 2.0, 1.8, 1.5, 1.2, 0.9, 0.6, 0.2, -0.2, -0.6, -1.0, -1.4],
        [0.2, 1.2, 1.5, 1.2, 0.0, -0.2, -1.3, -1.9, -2.0, -1.7, -1.0, 0.0],
        [0.2, -1.2, -1.7, -1.6, -0.8, 0.6, 1.6, 1.6, 1.5, 1.3, 1.1, 0.9],
    ]
)


def mnist1d(samples: int, seed: int) -> tuple[Array, Array]:
    """Ten classes of one-dimensional strokes: padded, shifted, scaled, sheared, noisy, resampled to 40 points.

    Follows the description of Greydanus and Kobak 2020, Scaling down deep learning with MNIST-1D, section 2. The
    templates are drawn anew, so accuracies resemble the published ones and do not equal them.

    Returns:
        x (samples, 40) float32; y (samples,) int64, every class equally often up to one.
    """
    rng = generator(seed, "mnist1d")
    y = rng.permutation(np.arange(samples) % 10)
    padding = rng.integers(PADDING[0], PADDING[1] + 1, samples)
    start = np.floor(rng.random(samples) * np.minimum(padding + 1, 49))
    height = 1.0 + SCALE * (2.0 * rng.random(samples) - 1.0)
    slope = SHEAR * (2.0 * rng.random(samples) - 1.0)
    grid = np.linspace(0.0, 1.0, POINTS)
    x = np.empty((samples, POINTS))
    for i in range(samples):
        position = grid * (11 + padding[i]) - start[i]
        x[i] = height[i] * np.interp(position, np.arange(12), TEMPLATES[y[i]], left=0.0, right=0.0)
    x += slope[:, None] * (2.0 * grid - 1.0)
    x += CORRELATED_NOISE * _smooth(rng.standard_normal((samples, POINTS)))
    x += NOISE * rng.standard_normal((samples, POINTS))
    return x.astype(np.float32), y.astype(np.int64)


def _smooth(noise: Array) -> Array:
    """Gaussian smoothing along the rows by a circulant matrix; the variance at each point stays 1."""
    distance = np.abs(np.arange(POINTS)[:, None] - np.arange(POINTS)[None, :])
    kernel = np.exp(-0.5 * (np.minimum(distance, POINTS - distance) / CORRELATION) ** 2)
    kernel /= np.sqrt((kernel**2).sum(axis=1, keepdims=True))
    return noise @ kernel.T


def moons(samples: int, noise: float, seed: int) -> tuple[Array, Array]:
    """Two interleaving half circles of radius 1, with Gaussian noise.

    The upper one is centred at the origin, the lower one at (1, 1/2), as in scikit-learn's make_moons.

    Returns:
        x (samples, 2) float32; y (samples,) int64, 0 for the upper one.
    """
    rng = generator(seed, "moons")
    upper = samples // 2
    angles = np.concatenate([np.linspace(0, np.pi, upper), np.linspace(0, np.pi, samples - upper)])
    y = (np.arange(samples) >= upper).astype(np.int64)
    sign = np.where(y == 0, 1.0, -1.0)
    x = np.stack([np.cos(angles) * sign + y, np.sin(angles) * sign + 0.5 * y], axis=1)
    x += noise * rng.standard_normal(x.shape)
    order = rng.permutation(samples)
    return x[order].astype(np.float32), y[order]
