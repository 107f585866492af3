"""Datasets: built-in ones, generators, users' files, and the identity of data."""
