"""What groups of settings are made of: the kinds of numbers, and how a group reads and refuses what it is given."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


def _no_boolean(value: Any) -> Any:
    """Refuse true and false, which pydantic takes for 1 and 0."""
    if isinstance(value, bool):
        raise PydanticCustomError("number", "Input should be a number")
    return value


Integer = Annotated[int, BeforeValidator(_no_boolean)]
Number = Annotated[float, BeforeValidator(_no_boolean)]
Fraction = Annotated[float, Field(ge=0, lt=1), BeforeValidator(_no_boolean)]
Token = Annotated[str, Field(min_length=1)]
Similarity = Annotated[float, Field(ge=0.5, le=1), BeforeValidator(_no_boolean)]
Count = Annotated[int, Field(ge=1), BeforeValidator(_no_boolean)]


class Section(BaseModel):
    """A group of settings. Unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
