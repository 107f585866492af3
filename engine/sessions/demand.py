"""Whether a queued run needs the device that an idle session holds."""

from __future__ import annotations

from pathlib import Path


def run_waits(runs: Path, device: str) -> bool:
    """Whether the queue of a runs folder has a run for ``device`` (as torch names it), or for any."""
    from engine.runs.store import FILE, Store  # only sessions on an accelerator ask

    if not (runs / FILE).exists():
        return False
    store = Store(runs)
    try:
        return any(row.device in ("auto", device, device.partition(":")[0]) for row in store.queue())
    finally:
        store.close()
