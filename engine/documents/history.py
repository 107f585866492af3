"""The undo stack: labelled steps forward and back."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.documents.patch import Step

_DEPTH = 500


@dataclass(frozen=True)
class Change:
    """Something the user did.

    Attributes:
        label: what, in English (a translation id). forward, backward: steps that do and undo it.
        merge: consecutive changes with the same key, not "", are one for undo.
    """

    label: str
    forward: list[Step]
    backward: list[Step]
    merge: str = ""


@dataclass
class History:
    """What can be undone and redone, newest last."""

    done: list[Change] = field(default_factory=list)
    undone: list[Change] = field(default_factory=list)

    def add(self, change: Change) -> None:
        """A new change; what was undone before it cannot be redone any more."""
        last = self.done[-1] if self.done else None
        if last is not None and change.merge and change.merge == last.merge and not self.undone:
            forward, backward = last.forward + change.forward, change.backward + last.backward
            self.done[-1] = Change(last.label, forward, backward, change.merge)
        else:
            self.done = [*self.done, change][-_DEPTH:]
        self.undone.clear()

    def seal(self) -> None:
        """Let nothing merge with the last change any more."""
        if self.done:
            last = self.done[-1]
            self.done[-1] = Change(last.label, last.forward, last.backward)
