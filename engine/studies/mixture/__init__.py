"""Clusters as mixtures of distributions: how many, of which family, how sure, how stable."""
