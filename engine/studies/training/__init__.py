"""Training a network: the shared task whose models and trajectories the other systems measure."""
