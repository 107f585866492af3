"""The queue at work: whoever looks gives free slots to runs that are ready, and takes back the slots of the dead."""

from __future__ import annotations

import json
import time
from pathlib import Path

from engine.artifacts import versions
from engine.artifacts.refs import ArtifactRef
from engine.durable import FileLock
from engine.errors import EngineError
from engine.runs import failures, folder, state
from engine.runs.events import EventLog
from engine.runs.executors.base import Executor, Slot
from engine.runs.processes import kill_orphans, this_process
from engine.runs.store import Lease, Row, Store

CLAIM_GRACE = 30.0
ATTENDANCE = 2.0
_LOOK_EVERY = 0.02


class UpstreamFailed(EngineError):
    """Raised when a run that another builds on will give no result."""

    what = "The run it builds on, {name}, did not finish."
    remedy = "Run that one again, then this one."


class NoSuchDevice(EngineError):
    """Raised when the device that a run asks for is not here."""

    what = "This computer has no usable device {device}."
    remedy = "Choose another device; 'auto' takes the best there is."


def dispatch(store: Store, executor: Executor) -> list[str]:
    """Start what can start; returns the ids. Safe to call at any time from any number of processes."""
    executor.tend([store.root / lease.run for lease in store.leases()])
    slots = executor.capacity()
    with store.exclusive():
        _take_back(store)
        claims, failed = _claim(store, slots)
    for id, error in failed:
        _fail(store, id, error)
    started = []
    for id, slot, attempt in claims:
        try:
            executor.submit(store.root / id, slot, attempt)
            started.append(id)
            launch = folder.launch(store.root / id)
            if launch is not None and launch.process is not None:
                store.hand_over(id, launch.process)
        except (EngineError, OSError) as error:
            _fail(store, id, failures.explain(error, slot.device, ""))
            store.release(id)
            continue
        refresh(store, id)
    return started


def attended(store: Store) -> bool:
    """Whether somebody else starts what waits: an attendant, which may have a warm worker, has looked after this call.

    Waits for that while an attendant lives and keeps its pace; False when it is gone or slow, or nothing waits.
    """
    since, end = time.time(), time.monotonic() + ATTENDANCE
    while store.queue() and time.monotonic() < end:
        looks = [look for owner, look in store.attendants() if owner.alive()]
        newest = max(looks, default=0.0)
        if newest > since:
            return True
        if newest < time.time() - ATTENDANCE:
            return False
        time.sleep(_LOOK_EVERY)
    return False


def refresh(store: Store, id: str) -> state.Status:
    """Bring the index up to date with a run's folder; notes the cause of a loss at first sight."""
    path = store.root / id
    now = state.status(path)
    if now.state == "lost" and now.process is not None:
        folder.note_exit(path, now.attempt, now.reason)
        kill_orphans(now.process)
    store.set_state(id, now)
    return now


def _take_back(store: Store) -> None:
    for lease in store.leases():
        now = refresh(store, lease.run)
        if now.over or (now.state == "queued" and not _fresh(lease)):
            store.release(lease.run)


def _fresh(lease: Lease) -> bool:
    """Whether the one who claimed the slot may still be about to start the worker."""
    return time.time() < lease.heartbeat + CLAIM_GRACE and (lease.owner.alive() or not lease.owner.here)


def _claim(store: Store, slots: list[Slot]) -> tuple[list[tuple[str, Slot, int]], list[tuple[str, EngineError]]]:
    leases = store.leases()
    taken, leased = {lease.slot for lease in leases}, {lease.run for lease in leases}
    free = [slot for slot in slots if slot.name not in taken]
    claims: list[tuple[str, Slot, int]] = []
    failed: list[tuple[str, EngineError]] = []
    for row in store.queue() if free else []:
        if not free:
            break
        if row.id in leased or row.newer:
            continue
        slot = next((slot for slot in free if _fits(slot, row.device, slots)), None)
        if slot is None and any(_fits(slot, row.device, slots) for slot in slots):
            continue
        now = refresh(store, row.id)
        if now.state != "queued":
            continue
        try:
            if slot is None:
                raise NoSuchDevice(device=row.device)
            if not _ready(store, row):
                continue
        except EngineError as error:
            failed.append((row.id, error))
            continue
        store.lease(slot.name, row.id, this_process())
        free.remove(slot)
        claims.append((row.id, slot, now.attempt))
    return claims, failed


def _fits(slot: Slot, device: str, slots: list[Slot]) -> bool:
    if device == "auto":
        return slot.device != "cpu" or all(other.device == "cpu" for other in slots)
    return device in (slot.device, slot.device.partition(":")[0])


def _ready(store: Store, row: Row) -> bool:
    """Whether all that the run builds on is there.

    Raises:
        UpstreamFailed: something of it will never be.
    """
    return all(_there(store, upstream, reference) for upstream, reference in store.upstream(row.id))


def _there(store: Store, upstream: str, reference: str) -> bool:
    known = store.row(upstream)
    name = (known.name or known.id) if known else upstream
    now = refresh(store, upstream) if known else None
    if reference:
        ref = ArtifactRef.model_validate(json.loads(reference))
        done = ref.version is not None or now is None or now.over
        if done and _exists(store.root, ref):
            return True
    elif now is not None and now.state == "finished":
        return True
    # A stopped or lost run can be resumed: what builds on it waits for that.
    if now is None or now.state in ("finished", "failed") or now.reason == "cancelled":
        raise UpstreamFailed(name=name)
    return False


def _exists(root: Path, ref: ArtifactRef) -> bool:
    try:
        versions.settle(root, ref)
    except versions.NoSuchArtifact:
        return False
    return True


def _fail(store: Store, id: str, error: EngineError) -> None:
    """End a queued run that cannot start. The lock keeps a worker out that may have been sent meanwhile."""
    path = store.root / id
    lock = FileLock(path / folder.LOCK)
    if not lock.acquire():
        return
    try:
        log = EventLog(path / folder.EVENTS)
        try:
            log.append(failures.event(error), sync=True)
        finally:
            log.close()
    finally:
        lock.release()
    refresh(store, id)
