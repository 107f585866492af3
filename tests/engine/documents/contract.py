"""What every kind of document must do; a kind's own tests subclass ``DocumentContract`` and add nothing."""

import json

import pytest

from engine.documents import errors
from engine.documents.document import Document


class Clock:
    """A clock that tests turn."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class DocumentContract:
    """Set ``state_class``; give ``example`` and ``edit``."""

    state_class = None

    def example(self):
        """A state with something in it."""
        raise NotImplementedError

    def edit(self, draft, step):
        """Change the draft, differently for each step."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self):
        return Clock()

    @pytest.fixture
    def document(self, tmp_path, clock):
        document = Document.create(tmp_path / "文.json", self.example(), clock)
        yield document
        document.close(discard=True)

    def reopened(self, document):
        return Document.open(document.path, type(document.state))

    def test_what_was_written_is_read(self, document):
        with document.transaction("Edit") as draft:
            self.edit(draft, 1)
        state, id, revision = document.state, document.id, document.revision
        document.close()
        again = self.reopened(document)
        assert (again.state, again.id, again.revision) == (state, id, revision)
        assert again.read_only is None and again.recovered == [] and not again.unsaved
        again.close()

    def test_the_file_is_json_that_tells_what_it_is(self, document):
        found = json.loads(document.path.read_text("utf-8"))
        assert found["kind"] == self.state_class.kind and found["schema_version"] == self.state_class.schema_version
        assert found["id"] == document.id

    def test_a_transaction_is_all_or_nothing(self, document):
        before, revision = document.state, document.revision
        with pytest.raises(ZeroDivisionError), document.transaction("Edit") as draft:
            self.edit(draft, 1)
            raise ZeroDivisionError
        assert document.state is before and document.revision == revision
        assert document.undo_label is None and not document.unsaved

    def test_a_draft_is_not_the_state(self, document):
        before = document.state.model_copy(deep=True)
        with document.transaction("Edit") as draft:
            self.edit(draft, 1)
            assert document.state == before
        assert document.state != before

    def test_undo_and_redo_go_through_all_states(self, document):
        states = [document.state]
        for step in range(4):
            with document.transaction(f"Step {step}") as draft:
                self.edit(draft, step)
            states.append(document.state)
        for step in (3, 2, 1, 0):
            assert document.undo_label == f"Step {step}"
            assert document.undo() == f"Step {step}" and document.state == states[step]
        assert document.undo() is None and document.undo_label is None
        for step in range(4):
            assert document.redo_label == f"Step {step}"
            assert document.redo() == f"Step {step}" and document.state == states[step + 1]
        assert document.redo() is None
        document.undo()
        with document.transaction("Other") as draft:
            self.edit(draft, 9)
        assert document.redo_label is None and document.undo_label == "Other"

    def test_equal_states_have_equal_revisions(self, document):
        revision = document.revision
        with document.transaction("Edit") as draft:
            self.edit(draft, 1)
        assert document.revision != revision
        document.undo()
        assert document.revision == revision

    def test_changes_are_saved_after_a_rest_or_after_long(self, document, clock):
        assert not document.tick()
        with document.transaction("Edit") as draft:
            self.edit(draft, 1)
        assert document.unsaved and not document.tick()
        clock.now += 2
        assert document.tick() and not document.unsaved and not document.tick()
        for step in range(20):
            with document.transaction("Edit") as draft:
                self.edit(draft, step)
            clock.now += 1
            if document.tick():
                break
        assert 12 <= step <= 16

    def test_a_change_by_another_program_is_not_overwritten(self, document):
        theirs = document.path.read_bytes().replace(b"\n", b"\n ")
        with document.transaction("Edit") as draft:
            self.edit(draft, 1)
        mine = document.state
        document.path.write_bytes(theirs)
        with pytest.raises(errors.ChangedOutside):
            document.save()
        assert document.path.read_bytes() == theirs and document.state == mine and document.unsaved
        document.reload()
        assert document.state == self.example() and not document.unsaved
        assert document.undo() == "Reload" and document.state == mine
        document.path.write_bytes(theirs)
        document.save(overwrite=True)
        again = Document.open(document.path, self.state_class)
        assert again.state == mine

    def test_a_second_opening_is_read_only(self, document):
        second = self.reopened(document)
        assert isinstance(second.read_only, errors.OpenElsewhere)
        with pytest.raises(errors.ReadOnly), second.transaction("Edit"):
            pass
        with pytest.raises(errors.ReadOnly):
            second.save()
        second.close()
        assert self.reopened(document).read_only is not None  # closing a reader does not let others in
        document.close()
        third = self.reopened(document)
        assert third.read_only is None
        third.close()

    def test_a_newer_major_version_opens_read_only(self, document):
        document.close()
        found = json.loads(document.path.read_text("utf-8"))
        found["schema_version"] += 1
        found["state"]["a field of tomorrow"] = 1
        content = json.dumps(found)
        document.path.write_text(content, "utf-8")
        newer = self.reopened(document)
        assert isinstance(newer.read_only, errors.NewerVersion) and newer.state == self.example()
        assert newer.undo() is None and not newer.tick()
        newer.close()
        assert document.path.read_text("utf-8") == content

    def test_nothing_is_left_beside_the_file(self, document):
        with document.transaction("Edit") as draft:
            self.edit(draft, 1)
        document.close()
        assert [path.name for path in document.path.parent.iterdir()] == [document.path.name]
