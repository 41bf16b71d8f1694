"""From the outcome back to what came before the treatments, one learned average after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.errors import EmptyArm
from butfor.data.sample import Covariates, Sample, Treatment
from butfor.estimators.functional.density import density_ratio
from butfor.estimators.functional.fixing import DealtOut
from butfor.estimators.functional.groups import number_of
from butfor.identify.primal import Fixing
from butfor.identify.sequential import Stage
from butfor.nuisance.cache import frozen
from butfor.nuisance.learning import Learning, only
from butfor.nuisance.overlap import effective_sample_size

FloatArray = NDArray[np.float64]
# A share of weights at their limit, and an effective share of the rows, that deserve a word.
MANY_AT_LIMIT = 0.01
FEW_EFFECTIVE = 0.1


class Averages:
    """The learned averages of one set of rows; the weights of each stage are learned once.

    Args:
        sample: the rows, with every column of the stages among the covariates; treatments may be, and are added.
        treatments: the columns that are set, as arms.
        learning: models and folds.
        most_values: a column with more values than this is a number.
    """

    def __init__(
        self, sample: Sample, treatments: Sequence[Treatment], learning: Learning, *, most_values: int
    ) -> None:
        self.sample = sample.with_covariates(_with_arms(sample.covariates, treatments))
        self.treatments = {t.name: t for t in treatments}
        self.learning, self.most_values = learning, most_values
        self.words: dict[str, None] = {}
        self.notes: dict[Diagnostic, None] = {}
        self._weighted: dict[tuple[Fixing, ...], Sample] = {(): self.sample}

    def back(self, stages: Sequence[Stage], setting: Mapping[str, int], target: FloatArray) -> FloatArray:
        """E[target | do(setting), what came before] of each row: its mean over the rows is E[target | do(setting)]."""
        for stage in reversed(stages):
            rows = self._comparable(stage.fixed)
            history = rows.with_covariates(only(rows.covariates, set(stage.given)))
            if stage.treatments:
                together = joint_treatment([self.treatments[name] for name in stage.treatments])
                arm = arm_of(together, [setting[name] for name in stage.treatments])
                means = self.learning.means_by_arm(history.with_treatment(together), target)
                target = means[:, arm]
            else:
                target = self.learning.means(history, target)
        return target

    def _comparable(self, fixed: tuple[Fixing, ...]) -> Sample:
        """The rows, weighted so that the fixed columns are independent of what came before them."""
        if fixed not in self._weighted:
            before = self._comparable(fixed[:-1])
            self._weighted[fixed] = self._dealt_out(before, fixed[-1])
        return self._weighted[fixed]

    def _dealt_out(self, rows: Sample, fixing: Fixing) -> Sample:
        number = number_of(rows, fixing.node, most_values=self.most_values)
        if number is None:
            dealt = DealtOut.of(rows, fixing, self.learning, groups=2, most_values=self.most_values)
            self.words |= {dealt.words: None}
            self.notes |= dict.fromkeys(dealt.notes)
            weighted = dealt.weighted(rows)
        else:
            weighted = self._of_number(rows, fixing, number)
        assert weighted.weights is not None
        share = effective_sample_size(weighted.weights) / rows.n
        if share < FEW_EFFECTIVE:
            message = (
                f"Weighted until {fixing.node!r} is independent of {', '.join(fixing.given)}, the {rows.n:,} rows "
                f"count as much as {share * rows.n:,.0f}."
            )
            self.notes |= {Diagnostic("low-effective-sample", Severity.CAUTION, message, share): None}
        return weighted

    def _of_number(self, rows: Sample, fixing: Fixing, number: FloatArray) -> Sample:
        base = np.ones(rows.n) if rows.weights is None else rows.weights
        given = rows.with_covariates(only(rows.covariates, set(fixing.given)))
        mean = self.learning.means(given, number)
        spread = self.learning.means(given, np.abs(number - mean))
        ratio, at_limit = density_ratio(number, mean, spread, base, most=1.0 / self.learning.floor)
        self.words |= {f"{fixing.node} given {', '.join(fixing.given)}: density of one shape around its mean": None}
        if at_limit > MANY_AT_LIMIT:
            message = (
                f"{at_limit:.1%} of the rows have values of {fixing.node!r} that are all but impossible given "
                f"{', '.join(fixing.given)}; their weight was cut."
            )
            self.notes |= {Diagnostic("weights-at-limit", Severity.CAUTION, message, at_limit): None}
        return replace(rows, weights=frozen(base * ratio))


def joint_treatment(treatments: Sequence[Treatment]) -> Treatment:
    """Several treatments as one whose levels are the combinations that occur, by their codes."""
    codes = np.column_stack([t.codes for t in treatments])
    levels, code = np.unique(codes, axis=0, return_inverse=True)
    arms = frozen(code.reshape(-1).astype(np.int32))
    names = tuple(_level(row) for row in levels.tolist())
    pairs = tuple((arm, 0) for arm in range(1, len(names)))
    return Treatment(", ".join(t.name for t in treatments), "arms", frozen(arms.astype(float)), arms, names, pairs)


def arm_of(together: Treatment, codes: Sequence[int]) -> int:
    """The arm of a combination.

    Raises:
        EmptyArm: when no row has it.
    """
    if _level(codes) not in together.levels:
        raise EmptyArm(
            f"No row has the combination number ({_level(codes)}) of the levels of {together.name}; a mean needs rows.",
            hint="at=[...] asks about combinations that occur",
        )
    return together.levels.index(_level(codes))


def _level(codes: Sequence[int]) -> str:
    return ", ".join(map(str, codes))


def _with_arms(covariates: Covariates, treatments: Sequence[Treatment]) -> Covariates:
    """The treatments as indicators beside the other columns: what weights make independent may depend on them."""
    for treatment in treatments:
        for code in range(1, treatment.arms) if treatment.name not in covariates.source else ():
            indicator = (treatment.codes == code).astype(float)
            added = covariates.with_column(treatment.name, indicator)
            covariates = replace(added, columns=(*added.columns[:-1], f"{treatment.name}[{code}]"))
    return replace(covariates, matrix=frozen(np.ascontiguousarray(covariates.matrix)))
