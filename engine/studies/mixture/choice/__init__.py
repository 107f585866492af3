"""Which family and how many clusters: criteria over a grid, out-of-bag likelihood, likelihood ratio."""
