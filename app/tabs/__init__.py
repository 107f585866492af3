"""The tabs: one folder a system, found by scanning (see catalogue.py)."""
