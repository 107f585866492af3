"""Theodolite's engine: studies of how learning systems generalise, as a library, a command line and workers."""

__version__ = "0.1.0"
