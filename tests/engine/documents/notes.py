"""A small kind of document, and a program that edits it until it is killed: ``python notes.py PATH``."""

import sys
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from pydantic import BaseModel, Field, model_validator

from engine.documents.document import Document
from engine.documents.state import State


class Note(BaseModel):
    """One note."""

    text: str = ""
    weight: float = 1.0


class Notes(State):
    """Notes under titles."""

    kind: ClassVar[str] = "test.notes"
    schema_version: ClassVar[int] = 2

    title: str = ""
    notes: list[Note] = Field(default_factory=list)
    marks: dict[str, int] = Field(default_factory=dict)

    @classmethod
    def migrate(cls, data, version):
        assert version == 1
        return {**data, "title": data["name"], "notes": [{"text": text} for text in data["lines"]]}

    @model_validator(mode="after")
    def marks_are_notes(self):
        if any(not 0 <= place < len(self.notes) for place in self.marks.values()):
            raise ValueError("a mark points at no note")
        return self


def edit(draft, step):
    """Change something different at each step."""
    if step % 4 == 0:
        draft.title = f"Title {step} “é”"
    elif step % 4 == 1:
        draft.notes.append(Note(text=f"note {step}", weight=step / 3))
    elif step % 4 == 2:
        draft.notes[0].text += f" and {step}"
    else:
        draft.marks[f"mark {step}"] = 0


if __name__ == "__main__":
    document = Document.open(Path(sys.argv[1]), Notes)
    for step in range(int(sys.argv[2])):
        with document.transaction(f"Step {step}") as draft:
            edit(draft, step)
    print(document.revision, flush=True)
    sys.stdin.read()
