"""Caveats and assumptions: values on a result, never prints or warnings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from butfor.core.serial import public_value


class Severity(StrEnum):
    """How much a diagnostic should worry the reader."""

    NOTE = "note"
    CAUTION = "caution"
    DANGER = "danger"


@public_value
@dataclass(frozen=True)
class Diagnostic:
    """Something the reader of a result should know.

    `name` is a stable kebab-case word (`weak-overlap`), `message` a sentence, `value` the figure behind it.
    """

    name: str
    severity: Severity
    message: str
    value: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "severity", Severity(self.severity))


@public_value
@dataclass(frozen=True)
class Assumption:
    """What must be true for the answer to be causal, and how to probe it."""

    name: str
    statement: str
    probe: str
