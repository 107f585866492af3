"""Documents: what a person writes. One JSON file each, with transactions, undo, autosave and recovery."""
