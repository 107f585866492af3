"""Small scenes with known answers, and a context that never gives up."""

import numpy as np

from engine.scene import scene as scenes

CAMERA = {"yaw": -50.0, "pitch": 30.0, "zoom": 1.0, "target": [0.0, 0.0, 0.0]}
TOP = {**CAMERA, "yaw": -90.0, "pitch": 90.0}


class Wanted:
    """A call that stays wanted."""

    def __init__(self):
        self.partials = []

    def partial(self, value):
        self.partials.append(value)

    def superseded(self):
        return False

    def cancelled(self):
        return False

    def point(self):
        pass


def keep_on():
    """The point of a call that stays wanted."""


def built(*items, box=None, aspect="equal"):
    return scenes.build(list(items), box, aspect, keep_on)


def plane(a=0.3, b=-0.2, n=11, **more):
    """The surface z = a x + b y on [-1, 1]^2, grey."""
    x = np.linspace(-1, 1, n)
    z = a * x[None, :] + b * x[:, None]
    return {"kind": "surface", "x": x, "y": x, "z": z, "colors": np.full((n, n, 3), 128, np.uint8), **more}


def sphere(radius=1.0, rings=60, **more):
    """A finely triangulated sphere about the origin."""
    theta, phi = np.meshgrid(np.linspace(0, np.pi, rings), np.linspace(0, 2 * np.pi, 2 * rings), indexing="ij")
    points = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)
    index = np.arange(theta.size).reshape(theta.shape)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    triangles = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    vertices = radius * points.reshape(-1, 3)
    return {"kind": "mesh", "vertices": vertices, "triangles": triangles, "colors": [0.5, 0.5, 0.5], **more}
