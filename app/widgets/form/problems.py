"""What is wrong with a form's data, in words a person can act on."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from app.shell.text import short, tr


def sentence(error: Any) -> str:
    """One of pydantic's errors as a short sentence."""
    context = {
        key: short(value) if isinstance(value, int | float) else value
        for key, value in (error.get("ctx") or {}).items()
    }
    templates = {
        "missing": tr("Needs a value."),
        "greater_than": tr("Must be greater than {gt}.", **context),
        "greater_than_equal": tr("Must be at least {ge}.", **context),
        "less_than": tr("Must be less than {lt}.", **context),
        "less_than_equal": tr("Must be at most {le}.", **context),
        "multiple_of": tr("Must be a multiple of {multiple_of}.", **context),
        "int_from_float": tr("Needs a whole number."),
        "int_type": tr("Needs a whole number."),
        "float_type": tr("Needs a number, such as 0.1 or 1e-3."),
        "string_too_short": tr("Needs at least {min_length} characters.", **context),
        "string_too_long": tr("May have {max_length} characters at most.", **context),
        "too_short": tr("Needs at least {min_length} entries.", **context),
        "too_long": tr("May have {max_length} entries at most.", **context),
        "model_attributes_type": tr("Needs a value."),
        "model_type": tr("Needs a value."),
        "literal_error": tr("Choose one."),
        "union_tag_not_found": tr("Choose one."),
    }
    kind = error["type"]
    if kind in ("value_error", "assertion_error"):
        text = tr(str((error.get("ctx") or {}).get("error") or error["msg"]))
        return text[:1].upper() + text[1:] + ("" if text.endswith(tr(".")) else tr("."))
    return templates.get(kind) or tr(error["msg"])


def by_path(error: ValidationError, paths: set[str]) -> tuple[dict[str, str], str]:
    """Sort errors to the fields they speak of.

    Args:
        paths: the fields that there are, names joined by dots.

    Returns:
        Path -> sentence, one a field; and the first sentence that belongs to no field, or "".
    """
    found: dict[str, str] = {}
    loose = ""
    for one in error.errors(include_url=False, include_input=False):
        path = _nearest([str(part) for part in one["loc"]], paths)
        if path:
            found.setdefault(path, sentence(one))
        else:
            loose = loose or sentence(one)
    return found, loose


def _nearest(parts: list[str], paths: set[str]) -> str:
    """The longest path that the location runs through; tags of unions and indices stand between and are skipped."""
    best = ""
    for part in parts:
        longer = f"{best}.{part}" if best else part
        if longer in paths or any(path.startswith(longer + ".") for path in paths):
            best = longer
    return best if best in paths else ""
