"""What can go wrong with a document. In none of these cases is anything lost that was written."""

from __future__ import annotations

import errno

from engine.errors import EngineError


class DocumentError(EngineError):
    """The base of the errors of documents."""


class NoSuchDocument(DocumentError):
    """Raised when there is no file."""

    what = "{path} does not exist."
    remedy = "Choose another file; it may have been moved or renamed."


class NotADocument(DocumentError):
    """Raised when a file holds something else, or only part of a document."""

    what = "{path} is not a document that this program can read."
    why = "{reason}"
    remedy = "Restore the file from a backup, or choose another; it was not changed."


class NotText(DocumentError):
    """Raised when a file is not UTF-8 text."""

    what = "{path} is not a text file in UTF-8."
    why = "At byte {place} there is something else."
    remedy = "Choose another file, or save it again as UTF-8; it was not changed."


class WrongKind(DocumentError):
    """Raised when a document belongs to another part of the program."""

    what = "{path} is a document of another kind."
    why = "It holds {found}, and {wanted} is needed here."
    remedy = "Open it where that kind belongs."


class NotAllowed(DocumentError):
    """Raised when the system does not let the program read or write the file."""

    what = "{path} cannot be opened."
    why = "The system says: {reason}."
    remedy = "Change the permissions of the file and its folder, or choose another place."


class NotSaved(DocumentError):
    """Raised when a document could not be written; the old file and the unsaved changes are both kept."""

    what = "{path} was not saved."
    why = "The system says: {reason}."
    remedy = "Save it in another place; until then all changes are kept here."


class DiskFull(NotSaved):
    """Raised when there is no space for a document."""

    why = "The disk is full."
    remedy = "Free some space; until then all changes are kept here."


class ChangedOutside(DocumentError):
    """Raised when another program has changed the file since it was read."""

    what = "{path} has been changed by another program."
    why = "Saving now would undo that change."
    remedy = "Reload it, save yours under another name, or overwrite the other."


class AlreadyExists(DocumentError):
    """Raised when a new document would replace a file."""

    what = "{path} exists already."
    remedy = "Choose another name, or open it."


class ReadOnly(DocumentError):
    """Raised when a change is tried on a document that may only be read; the subclasses know why."""

    what = "{path} can only be read."
    remedy = "Save it under another name to go on with a copy."


class NewerVersion(ReadOnly):
    """A newer version of the program wrote the document."""

    why = "A newer version of this program wrote it (format {version}, here {known})."
    remedy = "Update this program to change it."


class OpenElsewhere(ReadOnly):
    """Another window or program holds the document."""

    why = "It is open in another window."


class NotWritable(ReadOnly):
    """The system does not let the program write the file."""

    why = "The system does not allow changing it."


class Invalid(DocumentError):
    """Raised when a transaction would leave the document in a state that makes no sense; it is undone."""

    what = "{label} was not possible."
    why = "{reason}"
    remedy = "The document is as it was before."


class NotNested(DocumentError):
    """Raised when a transaction begins within another one."""

    what = "{label} cannot begin while {other} is not finished."


def reading(path: object, error: OSError) -> DocumentError:
    """The error to raise when reading failed."""
    if isinstance(error, FileNotFoundError):
        return NoSuchDocument(path=path)
    return NotAllowed(path=path, reason=error.strerror or str(error))


def writing(path: object, error: OSError) -> NotSaved:
    """The error to raise when writing failed."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return DiskFull(path=path) if full else NotSaved(path=path, reason=error.strerror or str(error))
