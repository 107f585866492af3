"""Runs: one folder and one process each; the folder is the only channel and the only truth."""
