"""What an estimator receives: clean numeric arrays, whatever the frame or engine they came from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from butfor.question.question import Level

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]
KeyArray = NDArray[np.uint64]

TreatmentKind = Literal["binary", "arms", "amount"]


@dataclass(frozen=True, eq=False)
class Treatment:
    """The treatment as arms (codes into `levels`) or as an amount (values).

    `values` is always there: the amount, or the code as a float. `contrasts` lists the asked comparisons as
    (treated code, reference code); for an amount it is empty and `step` is the difference asked about.
    """

    name: str
    kind: TreatmentKind
    values: FloatArray
    codes: IntArray
    levels: tuple[Level, ...]
    contrasts: tuple[tuple[int, int], ...]
    step: float = 1.0

    @property
    def arms(self) -> int:
        return len(self.levels)

    @property
    def terms(self) -> tuple[str, ...]:
        """One label per asked effect: `quit: 1 - 0`, or `dose: +1`."""
        if self.kind == "amount":
            return (f"{self.name}: +{self.step:g}",)
        return tuple(f"{self.name}: {self.levels[a]} - {self.levels[b]}" for a, b in self.contrasts)

    def with_codes(self, codes: IntArray) -> Treatment:
        """The same arms handed to other units (placebo treatments)."""
        return replace(self, codes=codes, values=codes.astype(np.float64))

    def with_values(self, values: FloatArray) -> Treatment:
        """Another amount for every unit (placebo treatments)."""
        return replace(self, values=values)


@dataclass(frozen=True, eq=False)
class Covariates:
    """A design matrix without intercept: numbers as they are, categories as indicators of all but the first level.

    `columns[j]` is the name of column j of `matrix`; `source[j]` the data column that it came from.
    """

    matrix: FloatArray
    columns: tuple[str, ...]
    source: tuple[str, ...]

    def with_column(self, name: str, values: FloatArray) -> Covariates:
        return Covariates(np.column_stack([self.matrix, values]), (*self.columns, name), (*self.source, name))

    def without(self, source: str) -> Covariates:
        """All columns except those that came from the data column `source`."""
        keep = [j for j, s in enumerate(self.source) if s != source]
        return Covariates(
            np.ascontiguousarray(self.matrix[:, keep]),
            tuple(self.columns[j] for j in keep),
            tuple(self.source[j] for j in keep),
        )


@dataclass(frozen=True, eq=False)
class Cluster:
    """Which rows belong together: a code per row."""

    name: str
    codes: IntArray
    count: int


@dataclass(frozen=True, eq=False)
class Subgroup:
    """The rows of one level (or range) of one modifier; `label` is `sex = 1` or `age in [25, 33)`."""

    modifier: str
    label: str
    rows: BoolArray


@dataclass(frozen=True)
class Loss:
    """Rows that were left out because a used column was missing there."""

    rows_read: int
    rows_used: int
    missing: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Sample:
    """One clean sample. Arrays are read-only, float64, and as long as `n`.

    `row_key` identifies a row by its content's rank, so that folds do not depend on row order or on units of
    measurement and repeated rows stay together; refits on altered data keep it, hence they keep the folds.
    """

    outcome_name: str
    outcome: FloatArray
    treatment: Treatment
    covariates: Covariates
    row_key: KeyArray
    weights: FloatArray | None = None
    cluster: Cluster | None = None
    subgroups: tuple[Subgroup, ...] = ()
    loss: Loss = field(default_factory=lambda: Loss(0, 0))
    fingerprint: str = ""
    source: str = ""

    @property
    def n(self) -> int:
        return len(self.outcome)

    def with_outcome(self, name: str, outcome: FloatArray) -> Sample:
        return replace(self, outcome_name=name, outcome=outcome)

    def with_treatment(self, treatment: Treatment) -> Sample:
        return replace(self, treatment=treatment)

    def with_covariates(self, covariates: Covariates) -> Sample:
        return replace(self, covariates=covariates)

    def take(self, rows: NDArray[np.intp]) -> Sample:
        """The sample of these rows (subsets and resamples)."""
        t = self.treatment
        return replace(
            self,
            outcome=self.outcome[rows],
            treatment=replace(t, values=t.values[rows], codes=t.codes[rows]),
            covariates=replace(self.covariates, matrix=self.covariates.matrix[rows]),
            row_key=self.row_key[rows],
            weights=None if self.weights is None else self.weights[rows],
            cluster=None if self.cluster is None else replace(self.cluster, codes=self.cluster.codes[rows]),
            subgroups=tuple(replace(g, rows=g.rows[rows]) for g in self.subgroups),
        )


