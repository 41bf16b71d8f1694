"""Sensitivity: what would have to be true for the answer to be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from butfor.core.figure import Figure
from butfor.core.serial import encode, public_value
from butfor.refute.evalue import EValue
from butfor.refute.omitted_variable import OmittedVariableBounds


@public_value
@dataclass(frozen=True)
class Sensitivity:
    """How strong a hidden confounder would have to be, on two scales; None where a scale does not apply."""

    omitted_variable: OmittedVariableBounds | None
    evalue: EValue | None

    @property
    def figure(self) -> Figure | None:
        """The contour plot of the omitted-variable bounds."""
        return None if self.omitted_variable is None else self.omitted_variable.figure

    @property
    def words(self) -> str:
        """Both analyses in sentences."""
        parts = [a.words for a in (self.omitted_variable, self.evalue) if a is not None]
        return " ".join(parts) or "Neither omitted-variable bounds nor an E-value apply to this estimate."

    def records(self) -> list[dict[str, Any]]:
        """One record per analysis, as the JSON contract has it."""
        found: list[dict[str, Any]] = []
        if self.omitted_variable is not None:
            found.append(encode(self.omitted_variable.record()))
        if self.evalue is not None:
            record = encode(self.evalue)
            del record["type"]
            found.append({"analysis": "e_value", **record, "words": self.evalue.words})
        return found

    def __str__(self) -> str:
        return self.words

    def _repr_html_(self) -> str:
        bounds = self.omitted_variable
        return f"<p>{self.words}</p>" + ("" if bounds is None else bounds.tidy().to_html())
