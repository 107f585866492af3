"""The tasks of the study, and what only they need: units, live pictures, artifacts."""
