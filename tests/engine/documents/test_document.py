"""Documents: the contract, and crashes, damage, full disks, permissions, migrations, merging."""

import json
import os
import subprocess
import sys
import threading

import pytest

from engine.documents import document as module
from engine.documents import errors
from engine.documents.document import Document

from . import notes
from .contract import Clock, DocumentContract
from .notes import Note, Notes


class TestNotes(DocumentContract):
    state_class = Notes

    def example(self):
        return Notes(title="Ideas", notes=[Note(text="first"), Note(text="second", weight=0.5)], marks={"best": 1})

    def edit(self, draft, step):
        notes.edit(draft, step)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def document(tmp_path, clock):
    document = Document.create(tmp_path / "notes.json", Notes(title="Ideas", notes=[Note(text="first")]), clock)
    yield document
    document.close(discard=True)


def killed_after(path, steps):
    """Edit the document in another program and kill that; the revision that it had reached."""
    command = [sys.executable, notes.__file__, str(path), str(steps)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as program:
        revision = program.stdout.readline().strip()
        program.kill()
        program.communicate()
    return revision


def journal_of(path):
    return path.with_name(f".{path.name}.journal")


# ------------------------------------------------------------------------------------------------ crashes
def test_what_was_not_saved_is_recovered_after_a_kill(document):
    document.close()
    revision = killed_after(document.path, 6)
    again = Document.open(document.path, Notes)
    assert again.revision == revision and again.unsaved
    assert again.recovered == [f"Step {step}" for step in range(6)]
    again.close()
    third = Document.open(document.path, Notes)
    assert third.revision == revision and third.recovered == [] and not third.unsaved
    third.close()


def test_a_second_crash_loses_nothing_either(document):
    document.close()
    killed_after(document.path, 5)
    revision = killed_after(document.path, 3)  # recovers, edits on, dies
    again = Document.open(document.path, Notes)
    assert again.revision == revision
    again.close()


@pytest.mark.parametrize("lost", [1, 5, 40])
def test_a_torn_journal_gives_all_whole_changes(document, lost):
    document.close()
    killed_after(document.path, 6)
    journal = journal_of(document.path)
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-lost])
    again = Document.open(document.path, Notes)
    assert again.recovered == [f"Step {step}" for step in range(5)]
    again.close()


def test_a_journal_of_rubbish_is_ignored(document):
    state = document.state
    document.close()
    killed_after(document.path, 2)
    odd = b'{"id":"","kind":"test.notes","version":2,"base":[]}\n5\n'
    for rubbish in (b"", b"\xff\xfe\n", b"[]\n", b'{"id": 1}\n', odd):
        journal_of(document.path).write_bytes(rubbish)
        again = Document.open(document.path, Notes)
        assert again.state == state and again.recovered == [] and again.set_aside is None
        again.close()


def test_a_damaged_file_comes_back_from_the_journal(document):
    document.close()
    revision = killed_after(document.path, 3)
    document.path.write_bytes(b'{"format": "theodolite-docu')
    again = Document.open(document.path, Notes)
    assert again.revision == revision and len(again.recovered) == 3
    again.close()
    assert (document.path.parent / "notes.json.damaged.bak").read_bytes() == b'{"format": "theodolite-docu'
    third = Document.open(document.path, Notes)
    assert third.revision == revision
    third.close()


def test_a_deleted_file_comes_back_from_the_journal(document):
    document.close()
    revision = killed_after(document.path, 3)
    document.path.unlink()
    again = Document.open(document.path, Notes)
    assert again.revision == revision
    again.close()
    assert document.path.exists()


def test_changes_to_a_file_that_was_replaced_meanwhile_are_set_aside(document):
    document.close()
    revision = killed_after(document.path, 3)
    theirs = json.loads(document.path.read_text())
    theirs["state"]["title"] = "Theirs"
    for _ in range(2):  # a file of that name is not replaced either
        journal = journal_of(document.path).read_bytes()
        document.path.write_text(json.dumps(theirs))
        again = Document.open(document.path, Notes)
        assert again.state.title == "Theirs" and again.recovered == []
        mine = Document.open(again.set_aside, Notes)
        assert mine.revision == revision
        mine.close()
        again.close()
        journal_of(document.path).write_bytes(journal)
    assert again.set_aside.name == "notes (recovered 2).json"
    journal_of(document.path).unlink()
    last = Document.open(document.path, Notes)
    assert last.set_aside is None
    last.close()


def test_a_journal_of_what_was_saved_after_all_is_nothing_new(document, clock):
    with document.transaction("Edit") as draft:
        draft.title = "New"
    journal = journal_of(document.path).read_bytes()
    document.close()
    journal_of(document.path).write_bytes(journal)  # died between the saving and the forgetting
    again = Document.open(document.path, Notes)
    assert again.recovered == [] and again.set_aside is None and again.state.title == "New"
    again.close()


def test_a_change_during_saving_is_kept_in_the_journal(document, monkeypatch):
    with document.transaction("Before") as draft:
        draft.title = "Before"
    write = module.write_atomic
    entered, go_on = threading.Event(), threading.Event()

    def slow(path, data):
        entered.set()
        assert go_on.wait(10)
        write(path, data)

    monkeypatch.setattr(module, "write_atomic", slow)
    saving = threading.Thread(target=document.save)
    saving.start()
    assert entered.wait(10)
    with document.transaction("Meanwhile") as draft:  # does not wait for the disk
        draft.title = "After"
    go_on.set()
    saving.join()
    assert document.unsaved and json.loads(document.path.read_text())["state"]["title"] == "Before"
    header, line = journal_of(document.path).read_bytes().splitlines()
    assert json.loads(header)["base"]["title"] == "Before" and json.loads(line)["label"] == "Meanwhile"
    assert json.loads(line)["steps"] == [["set", ["title"], "After"]]


# ------------------------------------------------------------------------------------------------ disks and permissions
def test_a_full_disk_loses_nothing_and_saving_works_again_later(document, clock, monkeypatch):
    old = document.path.read_bytes()
    with document.transaction("Edit") as draft:
        draft.title = "New"

    def full(path, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_atomic", full)
        clock.now += 2
        with pytest.raises(errors.DiskFull, match="Free some space"):
            document.tick()
        assert not document.tick()  # not before another rest
        clock.now += 2
        with pytest.raises(errors.DiskFull):
            document.tick()
        with pytest.raises(errors.DiskFull):
            document.close()
    assert document.path.read_bytes() == old and document.state.title == "New" and document.unsaved
    document.save()
    assert json.loads(document.path.read_text())["state"]["title"] == "New"


def test_a_journal_that_cannot_be_written_is_told_and_does_not_stop_the_work(document, monkeypatch):
    def full(self, *args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("engine.documents.journal.Journal._write", full)
        with document.transaction("Edit") as draft:
            draft.title = "New"
        assert isinstance(document.unprotected, errors.DiskFull) and document.state.title == "New"
    with document.transaction("Edit again") as draft:
        draft.marks["a"] = 0
    assert document.unprotected is None
    _, line = journal_of(document.path).read_bytes().splitlines()
    steps = json.loads(line)["steps"]  # the first change is in it as well
    assert sorted(steps) == [["set", ["marks", "a"], 0], ["set", ["title"], "New"]]


def test_a_folder_that_cannot_be_written_gives_no_journal_but_a_warning(document, monkeypatch):
    document.close()

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("engine.documents.journal.Journal.acquire", refuse)
    again = Document.open(document.path, Notes)
    assert isinstance(again.unprotected, errors.NotSaved) and again.read_only is None
    again.close()


def test_a_file_without_write_permission_opens_read_only(document, monkeypatch, tmp_path):
    document.close()
    monkeypatch.setattr(module.os, "access", lambda path, mode: False)
    again = Document.open(document.path, Notes)
    assert isinstance(again.read_only, errors.NotWritable)
    with pytest.raises(errors.NotWritable, match="can only be read"), again.transaction("Edit"):
        pass
    again.save_as(tmp_path / "copy.json")
    assert again.read_only is None and again.path.name == "copy.json"
    with again.transaction("Edit") as draft:
        draft.title = "Copy"
    again.close()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may do anything")
def test_a_file_without_read_permission_is_told(document):
    document.close()
    document.path.chmod(0)
    with pytest.raises(errors.NotAllowed, match="Change the permissions"):
        Document.open(document.path, Notes)


def test_what_cannot_be_opened_is_told(tmp_path):
    with pytest.raises(errors.NoSuchDocument):
        Document.open(tmp_path / "nothing.json", Notes)
    with pytest.raises(errors.NoSuchDocument):
        Document.open(tmp_path / "no folder" / "nothing.json", Notes)
    with pytest.raises(errors.NotAllowed):
        Document.open(tmp_path, Notes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", errors.NotADocument),
        (b"{", errors.NotADocument),
        (b"[1]", errors.NotADocument),
        (b"[" * 100_000, errors.NotADocument),
        (b'{"format": "other"}', errors.NotADocument),
        (b'{"format": "theodolite-document", "kind": "test.notes"}', errors.NotADocument),
        (b"abc \xff\xfe", errors.NotText),
        ("naïve".encode("latin-1"), errors.NotText),
    ],
)
def test_damaged_files_are_told_and_left_alone(tmp_path, content, error):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(error, match="it was not changed"):
        Document.open(path, Notes)
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


def rewritten(document, **changes):
    """Close the document and change its envelope on disk."""
    document.close()
    found = json.loads(document.path.read_text()) | changes
    document.path.write_text(json.dumps(found))
    return document.path


def test_fields_that_do_not_fit_are_told_by_name(document):
    path = rewritten(document, state={"title": "x", "notes": [{"text": "a", "weight": "heavy"}]})
    with pytest.raises(errors.NotADocument, match=r"notes\.0\.weight"):
        Document.open(path, Notes)


def test_another_kind_is_told(document):
    path = rewritten(document, kind="test.protocol")
    with pytest.raises(errors.WrongKind, match=r"test\.protocol"):
        Document.open(path, Notes)


# ------------------------------------------------------------------------------------------------ versions
def test_an_older_version_is_migrated_and_a_copy_of_it_kept(document):
    path = rewritten(document, schema_version=1, state={"name": "Old", "lines": ["a", "b"]})
    old = path.read_bytes()
    again = Document.open(path, Notes)
    assert again.state == Notes(title="Old", notes=[Note(text="a"), Note(text="b")]) and again.read_only is None
    assert path.read_bytes() == old  # reading does not write
    with again.transaction("Edit") as draft:
        draft.title = "New"
    again.close()
    assert (path.parent / "notes.json.v1.bak").read_bytes() == old
    assert json.loads(path.read_text())["schema_version"] == 2


def test_an_older_version_that_cannot_be_migrated_is_told(document):
    path = rewritten(document, schema_version=1, state={"lines": 5})
    with pytest.raises(errors.NotADocument, match="format 1"):
        Document.open(path, Notes)


def test_unknown_fields_of_the_same_version_are_kept_in_a_copy(document):
    state = json.loads(document.path.read_text())["state"]
    state["notes"][0]["colour"] = "red"
    path = rewritten(document, state=state)
    old = path.read_bytes()
    again = Document.open(path, Notes)
    again.close()
    assert not (path.parent / "notes.json.v2.bak").exists()
    again = Document.open(path, Notes)
    with again.transaction("Edit") as draft:
        draft.title = "New"
    again.close()
    assert (path.parent / "notes.json.v2.bak").read_bytes() == old


# ------------------------------------------------------------------------------------------------ transactions
def test_a_draft_that_makes_no_sense_is_undone(document):
    before = document.state
    with pytest.raises(errors.Invalid, match="a mark points at no note"), document.transaction("Mark it") as draft:
        draft.marks["far"] = 99
    with pytest.raises(errors.Invalid), document.transaction("Add") as draft:
        draft.notes.append("not a note")
    with pytest.raises(errors.Invalid), document.transaction("Add") as draft:
        draft.marks["a"] = object()
    with pytest.raises(errors.Invalid), document.transaction("Weigh") as draft:
        draft.notes[0].weight = float("nan")
    assert document.state is before and not document.unsaved


def test_transactions_do_not_nest(document):
    with (
        pytest.raises(errors.NotNested, match="Inner cannot begin while Outer"),
        document.transaction("Outer"),
        document.transaction("Inner"),
    ):
        pass
    with document.transaction("After") as draft:
        draft.title = "works"


def test_a_transaction_that_changes_nothing_leaves_no_trace(document):
    with document.transaction("Look") as draft:
        draft.title = str(draft.title)
    assert document.undo_label is None and not document.unsaved and not journal_of(document.path).exists()


def test_letters_of_a_word_are_undone_together(document):
    for text in ("w", "wo", "word"):
        with document.transaction("Type", merge="note 0") as draft:
            draft.notes[0].text = text
    with document.transaction("Type", merge="note 1") as draft:
        draft.title = "x"
    assert document.undo() == "Type" and document.state.notes[0].text == "word"
    with document.transaction("Type", merge="note 0") as draft:  # after an undo a new step begins
        draft.notes[0].text = "words"
    document.undo()
    assert document.state.notes[0].text == "word"
    document.undo()
    assert document.state.notes[0].text == "first"
    document.redo()
    assert document.state.notes[0].text == "word"


def test_undo_survives_saving_and_its_depth_is_bounded(document):
    for step in range(510):
        with document.transaction(f"Step {step}") as draft:
            draft.title = str(step)
    document.save()
    steps = 0
    while document.undo() is not None:
        steps += 1
    assert steps == 500 and document.state.title == "9"


# ------------------------------------------------------------------------------------------------ names
def test_a_new_document_replaces_nothing(document, tmp_path):
    with pytest.raises(errors.AlreadyExists):
        Document.create(document.path, Notes())
    with pytest.raises(errors.AlreadyExists):
        document.save_as(document.path)
    with pytest.raises(errors.NotSaved):
        Document.create(tmp_path / "no folder" / "x.json", Notes())


def test_save_as_goes_on_with_a_copy_of_another_id(document, tmp_path):
    old, id = document.path, document.id
    content = old.read_bytes()
    with document.transaction("Edit") as draft:
        draft.title = "Mine"
    document.save_as(tmp_path / "copy.json")
    assert document.path.name == "copy.json" and document.id != id and not document.unsaved
    assert old.read_bytes() == content
    first = Document.open(old, Notes)  # it is free again
    assert first.read_only is None and first.state.title == "Ideas"
    first.close()
    with pytest.raises(errors.NotSaved):
        document.save_as(tmp_path / "no folder" / "x.json")
    assert document.path.name == "copy.json"
    with document.transaction("Edit") as draft:
        draft.title = "More"
    document.save()


def test_a_file_deleted_outside_is_written_again(document):
    document.path.unlink()
    with document.transaction("Edit") as draft:
        draft.title = "New"
    document.save()
    assert json.loads(document.path.read_text())["state"]["title"] == "New"


def test_discarding_gives_changes_up(document):
    with document.transaction("Edit") as draft:
        draft.title = "New"
    document.close(discard=True)
    again = Document.open(document.path, Notes)
    assert again.state.title == "Ideas" and again.recovered == []
    again.close()
