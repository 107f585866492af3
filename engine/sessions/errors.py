"""What can go wrong between a session and whoever calls it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import EngineError


class UnknownService(EngineError):
    """Raised when no folder of the engine offers the service."""

    what = "There is no session service called {name}."
    remedy = "Known are: {known}."


class UnknownMethod(EngineError):
    """Raised when a service has no such session method."""

    what = "The session {service} has no method called {method}."
    remedy = "It has: {known}."


class NotTransferable(EngineError):
    """Raised when a value that is neither JSON nor a numpy array is sent to or from a session."""

    what = "A value of type {kind} cannot be sent between the program and its session."
    remedy = "Send numbers, texts, lists, mappings with text keys, or numeric arrays."


class NoRoom(EngineError):
    """Raised when the arrays of a message fit neither into shared memory nor into the temporary folder."""

    what = "{mebibytes} MiB could not be handed over."
    why = "Shared memory and the temporary folder {folder} are full."
    remedy = "Free some space there, or ask for a smaller picture or grid."


class SessionCrashed(EngineError):
    """Raised for the call that was running when its session's process ended; the subclasses know of what."""

    what = "The session {service} ended while it worked on {method}."
    remedy = "It starts again with the next request. Its last lines were: {log}"


class SessionKilled(SessionCrashed):
    """Raised when the process was killed from outside."""

    why = "Its process was killed, by someone or by the system for want of memory."


class SessionAborted(SessionCrashed):
    """Raised when native code crashed the process."""

    why = "Native code crashed its process (code {code})."


class SessionEnded(SessionCrashed):
    """Raised when the process exited by itself."""

    why = "Its process exited with code {code}."


class SessionNotStarted(EngineError):
    """Raised when the process of a session cannot be started at all."""

    what = "The session {service} could not be started."
    why = "{reason}"
    remedy = "Check that the interpreter of this session exists and may be run."


class SessionClosed(EngineError):
    """Raised for calls on a session that has been closed."""

    what = "The session {service} has been closed."
    remedy = "Open it again to go on."


class CallFailed(EngineError):
    """Raised when the service raised something that it does not word itself; ``details`` has the traceback."""

    what = "The session {service} could not finish {method}: {kind}: {message}"
    remedy = "The details have the full report."

    details: str = ""


class CallSuperseded(EngineError):
    """Raised by ``result`` of a call that a newer one with the same key replaced."""

    what = "A newer request has taken the place of {method}."


class CallCancelled(EngineError):
    """Raised by ``result`` of a call that was cancelled."""

    what = "{method} was cancelled."


class CallTimeout(EngineError):
    """Raised by ``result`` when the answer takes longer than the caller waits; the call goes on."""

    what = "{method} has not answered within {seconds} s."
    remedy = "Wait longer, or cancel it."


def to_wire(error: BaseException, service: str, method: str, details: str) -> dict[str, Any]:
    """What the other process needs to raise this error again, without importing the module that defined it."""
    if not isinstance(error, EngineError):
        error = CallFailed(service=service, method=method, kind=type(error).__name__, message=str(error))
    params = {key: value if isinstance(value, int | float | str) else str(value) for key, value in error.params.items()}
    words = {"what": error.what, "why": error.why, "remedy": error.remedy}
    return {"name": type(error).__name__, "params": params, "details": details, **words}


def from_wire(data: Mapping[str, Any]) -> EngineError:
    """The error that ``to_wire`` described: a CallFailed with the original's name, words and values."""
    words = {name: data[name] for name in ("what", "why", "remedy", "details")}
    kind: type[CallFailed] = type(data["name"], (CallFailed,), words)
    return kind(**data["params"])
