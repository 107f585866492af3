from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from app.widgets.form.problems import by_path, sentence


class Inner(BaseModel):
    depth: int = Field(1, ge=1)


class Limits(BaseModel):
    low: int = Field(1, ge=1)
    above: float = Field(1.0, gt=0)
    high: int = Field(1, le=9)
    below: float = Field(0.5, lt=1)
    step: int = Field(4, multiple_of=4)
    word: str = Field("ab", min_length=2, max_length=3)
    some: tuple[int, ...] = Field((1,), min_length=1, max_length=2)
    choice: Literal["a", "b"] = "a"
    inner: Inner = Inner()
    items: tuple[Inner, ...] = ()
    own: int = 0

    @field_validator("own")
    @classmethod
    def even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("the number must be even")
        return value


class Needs(BaseModel):
    value: int


def errors(model: type[BaseModel], **data: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(data)
    return caught.value


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"low": 0}, "Must be at least 1."),
        ({"above": 0}, "Must be greater than 0."),
        ({"high": 10}, "Must be at most 9."),
        ({"below": 1}, "Must be less than 1."),
        ({"step": 6}, "Must be a multiple of 4."),
        ({"low": 1.5}, "Needs a whole number."),
        ({"low": None}, "Needs a whole number."),
        ({"above": None}, "Needs a number, such as 0.1 or 1e-3."),
        ({"word": "a"}, "Needs at least 2 characters."),
        ({"word": "abcd"}, "May have 3 characters at most."),
        ({"some": []}, "Needs at least 1 entries."),
        ({"some": [1, 2, 3]}, "May have 2 entries at most."),
        ({"choice": "c"}, "Choose one."),
        ({"inner": 3}, "Needs a value."),
        ({"own": 3}, "The number must be even."),
    ],
)
def test_each_fault_has_its_sentence(data: dict[str, Any], said: str) -> None:
    (error,) = errors(Limits, **data).errors()
    assert sentence(error) == said


def test_missing_value() -> None:
    (error,) = errors(Needs).errors()
    assert sentence(error) == "Needs a value."


def test_what_has_no_sentence_of_its_own_keeps_pydantics() -> None:
    (error,) = errors(Limits, above="fast").errors()
    assert "number" in sentence(error)


def test_numbers_in_sentences_are_written_for_people() -> None:
    class Small(BaseModel):
        rate: float = Field(1.0, ge=1e-7)

    (error,) = errors(Small, rate=0).errors()
    assert sentence(error) == "Must be at least 1×10⁻⁷."


def test_faults_go_to_the_deepest_field_that_is_shown() -> None:
    error = errors(Limits, low=0, inner={"depth": 0}, items=[{"depth": 0}])
    found, loose = by_path(error, {"low", "inner.depth", "items"})
    assert found == {"low": "Must be at least 1.", "inner.depth": "Must be at least 1.", "items": "Must be at least 1."}
    assert loose == ""
    found, loose = by_path(error, {"low"})
    assert found == {"low": "Must be at least 1."} and loose == "Must be at least 1."


def test_first_fault_of_a_field_is_told() -> None:
    found, _ = by_path(errors(Limits, some=["a", "b"]), {"some"})
    assert len(found) == 1
