"""What a check found, judged: the one result of every refuter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from butfor.core.figure import Figure
from butfor.core.serial import encode, public_value
from butfor.core.table import Table

SIGNIFICANCE = 0.05


class Verdict(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@public_value
@dataclass(frozen=True)
class Refutation:
    """One check of one estimate.

    Attributes:
        check: name of the check.
        asks: what it asks, as one would ask a colleague.
        estimate: the primary effect that was checked.
        refuted_estimate: what the check found in its place.
        p_value: two-sided; small means that the check found something it should not have found. None where the
            check is not a test.
        adjusted_p_value: after Holm's adjustment for all checks of the battery.
        words: the verdict in a sentence.
        seed: repeats the check exactly, on its own: `check.refute(fit, rng=seed)`.
    """

    check: str
    asks: str
    estimate: float
    refuted_estimate: float
    p_value: float | None
    adjusted_p_value: float | None
    verdict: Verdict
    words: str
    seed: int
    simulations: int
    table: Table | None = None
    figure: Figure | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "verdict", Verdict(self.verdict))

    def __str__(self) -> str:
        return f"{self.check}: {self.words}"

    def _repr_html_(self) -> str:
        return Refutations((self,)).tidy().to_html()


@dataclass(frozen=True)
class Finding:
    """What a check measured, before it is judged together with the others.

    Attributes:
        passed, failed: the sentence for either verdict.
        negligible: the deviation is too small to matter whatever its p-value.
        verdict: given by checks that are not tests; otherwise it follows from the p-value.
    """

    check: str
    asks: str
    estimate: float
    refuted_estimate: float
    p_value: float | None
    passed: str
    failed: str
    seed: int
    simulations: int
    negligible: bool = False
    verdict: Verdict | None = None
    table: Table | None = None
    figure: Figure | None = None

    def judged(self, adjusted_p_value: float | None = None) -> Refutation:
        """The verdict by the adjusted p-value, or by the check's own where it stands alone."""
        p_value = self.p_value if adjusted_p_value is None else adjusted_p_value
        verdict = self.verdict
        if verdict is None:
            wrong = p_value is not None and p_value < SIGNIFICANCE and not self.negligible
            verdict = Verdict.FAILED if wrong else Verdict.PASSED
        sentence = self.passed if verdict is Verdict.PASSED else self.failed
        return Refutation(
            check=self.check,
            asks=self.asks,
            estimate=self.estimate,
            refuted_estimate=self.refuted_estimate,
            p_value=self.p_value,
            adjusted_p_value=adjusted_p_value,
            verdict=verdict,
            words=f"{verdict.capitalize()}: {sentence}",
            seed=self.seed,
            simulations=self.simulations,
            table=self.table,
            figure=self.figure,
        )


@public_value
@dataclass(frozen=True)
class Refutations:
    """All checks of one estimate; `skipped` says which did not apply and why."""

    results: tuple[Refutation, ...]
    skipped: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Refutation]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def failed(self) -> tuple[Refutation, ...]:
        """The checks that found something wrong."""
        return tuple(r for r in self.results if r.verdict is Verdict.FAILED)

    def tidy(self) -> Table:
        """One row per check."""
        names = ("check", "estimate", "refuted_estimate", "p_value", "adjusted_p_value", "verdict", "words")
        rows = [
            (r.check, r.estimate, r.refuted_estimate, r.p_value, r.adjusted_p_value, str(r.verdict), r.words)
            for r in self.results
        ]
        return Table(names, tuple(rows))

    def records(self) -> list[dict[str, Any]]:
        """One record per check, as the JSON contract has it; figures are left to the report."""
        found: list[dict[str, Any]] = []
        for result in self.results:
            record = encode(result)
            del record["type"], record["figure"]
            record["table"] = None if result.table is None else encode(result.table.to_dicts())
            found.append(record)
        return found

    def __str__(self) -> str:
        return "\n".join([*map(str, self.results), *(f"Skipped: {reason}" for reason in self.skipped)])

    def _repr_html_(self) -> str:
        return self.tidy().to_html()
