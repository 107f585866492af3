"""The software renderer behind every 3D picture: surfaces, meshes, tubes and points, ray-cast in a session."""
