"""Value: the frozen base of everything that is data."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from nas.errors import Fault, SpecError


class Value(BaseModel):
    """A frozen value without surplus keys, compared and hashed by content."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def parse(cls, data: Any, where: str = "") -> Self:
        """Validate `data`; every fault at once, each with its path.

        Raises:
            SpecError: what is wrong and where.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise SpecError(where, faults_of(error)) from None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, without the fields that stand at their defaults."""
        return self.model_dump(mode="json", exclude_defaults=True, by_alias=True)


def faults_of(error: ValidationError) -> list[Fault]:
    """pydantic's errors as sentences with dotted paths."""
    faults = []
    for item in error.errors(include_url=False):
        path = ""
        for step in item["loc"]:
            path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
        faults.append(Fault(path, _sentence(dict(item))))
    return faults


def _sentence(item: dict[str, Any]) -> str:
    match item["type"]:
        case "extra_forbidden":
            return "unknown key"
        case "missing":
            return "is missing"
        case "value_error":
            return str(item["ctx"]["error"])
        case _:
            shown = repr(item["input"])
            shown = shown if len(shown) <= 60 else shown[:57] + "..."
            message = str(item["msg"])
            return f"{message[:1].lower()}{message[1:]}, not {shown}"
