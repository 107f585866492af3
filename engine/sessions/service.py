"""What a service offers: a class held by a session's process, its methods, and what a method sees of its call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


class Interrupted(BaseException):
    """Raised by ``Context.point`` when the call is no longer wanted; methods let it pass."""


class Context(Protocol):
    """What a method sees of the call that it answers."""

    def partial(self, value: Any) -> None:
        """Send something on the way to the result: JSON values and numeric arrays at any depth."""

    def superseded(self) -> bool:
        """Whether a newer call with the same key waits; returning early makes room for it."""

    def cancelled(self) -> bool:
        """Whether the caller gave up; the process is killed if the method goes on for 300 ms."""

    def point(self) -> None:
        """Raise Interrupted when superseded or cancelled."""


class Service(Protocol):
    """A class listed in ``SERVICES = {"name": Class}`` of a room's or a study's module session.py.

    Those modules are imported to look for a name, so heavy imports belong inside the methods. One object lives in
    the process at a time; calls come one after another in the thread that built it. An attribute ``device`` other
    than "cpu" makes the session leave, when idle, for a queued run that needs the device.
    """

    def __init__(self, spec: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """Load what the session holds, from JSON settings and from JSON values or arrays."""


def method(function: Method) -> Method:
    """Mark ``function(self, params, context)`` as callable through the session."""
    function.session_method = True  # type: ignore[attr-defined]
    return function


def methods(service: type) -> list[str]:
    """Names of the marked methods of a service class, sorted."""
    return sorted(name for name in dir(service) if getattr(getattr(service, name), "session_method", False))
