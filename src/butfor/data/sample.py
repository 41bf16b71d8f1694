"""What an estimator receives: clean numeric arrays, whatever the frame or engine they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic
from butfor.data.content import Content, KeyArray, RowArray
from butfor.question.question import Level

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]
BoolArray = NDArray[np.bool_]

_UNKNOWN_ORIGIN = Content()

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
        """How many arms there are."""
        return len(self.levels)

    @property
    def terms(self) -> tuple[str, ...]:
        """One label per asked effect: `quit: 1 - 0`, or `dose: +1`."""
        if self.kind == "amount":
            return (f"{self.name}: {self.step:+g}",)
        return tuple(f"{self.name}: {self.levels[a]} - {self.levels[b]}" for a, b in self.contrasts)

    def take(self, rows: RowArray) -> Treatment:
        """The treatment of these rows."""
        return replace(self, values=self.values[rows], codes=self.codes[rows])

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
        """The design matrix with one more column."""
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
    """Rows that were left out: how many per column had a missing value, and how many had no weight."""

    rows_read: int
    rows_used: int
    missing: dict[str, int] = field(default_factory=dict[str, int])
    zero_weight: int = 0


@dataclass(frozen=True, eq=False)
class Sample:
    """One clean sample. Arrays are read-only, float64, and as long as `n`.

    `row_key` identifies a row by the ranks of its outcome and covariates (or by its cluster), so that folds depend
    neither on row order nor on units of measurement and repeated rows stay together (where rows come in few kinds, as
    with a few categories, they are told apart). It is computed when first
    asked for, from the content that the sample was drawn with (`origin`): refits on altered data keep it, hence
    they keep the folds. `event` says which outcomes are times at which the event was seen (1) or sight was lost (0).
    `instrument` moves the treatment and is no covariate; it is read as a treatment is. `extra`
    holds further numeric columns on the same rows (placebo outcomes); `notes` are caveats about the data.
    """

    outcome_name: str
    outcome: FloatArray
    treatment: Treatment
    covariates: Covariates
    weights: FloatArray | None = None
    cluster: Cluster | None = None
    subgroups: tuple[Subgroup, ...] = ()
    instrument: Treatment | None = None
    event: FloatArray | None = None
    extra: Mapping[str, FloatArray] = field(default_factory=dict[str, FloatArray])
    loss: Loss = field(default_factory=lambda: Loss(0, 0))
    notes: tuple[Diagnostic, ...] = ()
    source: str = ""
    origin: Content = field(default=_UNKNOWN_ORIGIN, repr=False)

    def __post_init__(self) -> None:
        if self.origin is _UNKNOWN_ORIGIN:
            object.__setattr__(self, "origin", self._content())

    def _content(self) -> Content:
        treatment, matrix = self.treatment, self.covariates.matrix
        seen = () if self.event is None else (self.event,)
        columns = (self.outcome, *(matrix[:, j] for j in range(matrix.shape[1])))
        cluster = () if self.cluster is None else (self.cluster.codes,)
        weights = () if self.weights is None else (self.weights,)
        instruments = () if self.instrument is None else (self.instrument,)
        moving = (treatment, *instruments)
        names = (w for t in moving for w in (t.name, *map(repr, t.levels)))
        return Content(
            keyed=cluster or columns,
            arms=() if cluster else (*(t.codes for t in moving if t.kind != "amount"), *seen),
            amounts=() if cluster else tuple(t.values for t in moving if t.kind == "amount"),
            ties=(*weights, *(g.rows for g in self.subgroups), *self.extra.values()),
            hashed=(
                self.outcome,
                *seen,
                treatment.values,
                matrix,
                *weights,
                *cluster,
                *(t.values for t in instruments),
            ),
            words=(self.outcome_name, *names, *self.covariates.columns),
        )

    @property
    def row_key(self) -> KeyArray:
        """One 64-bit key per row."""
        return self.origin.row_key

    @property
    def fingerprint(self) -> str:
        """A hash of the data that the sample was drawn with."""
        return self.origin.fingerprint

    @property
    def n(self) -> int:
        """How many rows there are."""
        return len(self.outcome)

    def with_outcome(self, name: str, outcome: FloatArray) -> Sample:
        """The same rows with another outcome, known in every row; folds stay as they are."""
        return replace(self, outcome_name=name, outcome=outcome, event=None)

    def with_treatment(self, treatment: Treatment) -> Sample:
        """The same rows with another treatment; folds stay as they are."""
        return replace(self, treatment=treatment)

    def with_covariates(self, covariates: Covariates) -> Sample:
        """The same rows with other covariates; folds stay as they are."""
        return replace(self, covariates=covariates)

    def take(self, rows: RowArray) -> Sample:
        """The sample of these rows (subsets and resamples)."""
        return replace(
            self,
            outcome=self.outcome[rows],
            treatment=self.treatment.take(rows),
            instrument=None if self.instrument is None else self.instrument.take(rows),
            event=None if self.event is None else self.event[rows],
            covariates=replace(self.covariates, matrix=self.covariates.matrix[rows]),
            weights=None if self.weights is None else self.weights[rows],
            cluster=None if self.cluster is None else replace(self.cluster, codes=self.cluster.codes[rows]),
            subgroups=tuple(replace(g, rows=g.rows[rows]) for g in self.subgroups),
            extra={name: values[rows] for name, values in self.extra.items()},
            origin=self.origin.take(rows),
        )
