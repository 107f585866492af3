"""The one 3D widget: surfaces, meshes, paths and points, drawn by a session and turned with the mouse."""

from app.widgets.scene3d.picture import Hit
from app.widgets.scene3d.widget import Scene3D

__all__ = ["Hit", "Scene3D"]
