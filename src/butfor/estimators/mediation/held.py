"""Treatment and mediators as one treatment: every combination of their values is an arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import EmptyArm, InvalidSetting
from butfor.data.sample import Covariates, Sample, Treatment
from butfor.nuisance.learning import only

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Held:
    """The sample with combinations as arms, and which two arms each controlled direct effect compares.

    Attributes:
        sample: treatment and mediators jointly as treatment; the covariates alone as covariates.
        terms: one label per effect, `t: 1 - 0, m = 2`.
        pairs: the two arms of each effect.
    """

    sample: Sample
    terms: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, sample: Sample, mediators: Sequence[str], most: int) -> Held:
        """The combinations that occur.

        Raises:
            InvalidSetting: for more than `most` combinations of the mediators' values.
            EmptyArm: for a combination that a compared arm of the treatment does not have.
        """
        treatment = sample.treatment
        cells, names = _cells(sample.covariates, mediators, most)
        joint = treatment.codes * np.int32(len(names)) + cells
        present, codes = np.unique(joint, return_inverse=True)
        place = {int(code): k for k, code in enumerate(present.tolist())}
        terms: list[str] = []
        pairs: list[tuple[int, int]] = []
        for term, contrast in zip(treatment.terms, treatment.contrasts, strict=True):
            for cell, name in enumerate(names):
                pairs.append(_pair(treatment, contrast, cell, names, place))
                terms.append(f"{term}, {name}")
        known = set(sample.covariates.source) - set(mediators)
        levels = tuple(f"{treatment.levels[c // len(names)]}, {names[c % len(names)]}" for c in present.tolist())
        together = Treatment(
            f"{treatment.name} and {', '.join(mediators)}",
            "arms",
            codes.astype(np.float64),
            codes.astype(np.int32),
            levels,
            tuple(dict.fromkeys(pairs)),
        )
        bare = sample.with_covariates(only(sample.covariates, known)).with_treatment(together)
        return cls(bare, tuple(terms), tuple(pairs))


def _pair(
    treatment: Treatment, contrast: tuple[int, int], cell: int, names: Sequence[str], place: dict[int, int]
) -> tuple[int, int]:
    first, second = (arm * len(names) + cell for arm in contrast)
    for arm, code in zip(contrast, (first, second), strict=True):
        if code not in place:
            raise EmptyArm(
                f"Arm {treatment.levels[arm]!r} of {treatment.name!r} has no rows with {names[cell]}; an effect with "
                "the mediators held there needs rows in both arms.",
                hint="merge rare values of the mediator, or leave out the rows that have them",
            )
    return place[first], place[second]


def _cells(covariates: Covariates, mediators: Sequence[str], most: int) -> tuple[IntArray, list[str]]:
    """The combination of mediator values in each row as a code, and what it is called."""
    parts = [_values(covariates, name) for name in mediators]
    present, codes = np.unique(np.column_stack([own for own, _ in parts]), axis=0, return_inverse=True)
    if len(present) > most:
        raise InvalidSetting(
            f"The mediators ({', '.join(mediators)}) have {len(present):,} combinations of values; holding them at "
            f"each needs at most {most}.",
            hint="cut the mediator into a few groups first, such as low and high",
        )
    names = [", ".join(words[code] for code, (_, words) in zip(row, parts, strict=True)) for row in present.tolist()]
    return codes.reshape(-1).astype(np.int32), names


def _values(covariates: Covariates, name: str) -> tuple[NDArray[np.intp], list[str]]:
    """The value of one mediator in each row as a code, and what each is called: a number, or a level by its indicator.

    A category has indicators of all but its first level, which is called by what it is not.
    """
    own = [j for j, source in enumerate(covariates.source) if source == name]
    columns = [covariates.columns[j] for j in own]
    # The last indicator first, so that levels come out in their order.
    values, codes = np.unique(covariates.matrix[:, own[::-1]], axis=0, return_inverse=True)
    if columns == [name]:
        return codes.reshape(-1), [f"{name} = {v:g}" for v in values[:, 0].tolist()]
    levels = [column.removeprefix(f"{name}=") for column in columns]
    first = f"{name} other than {' or '.join(levels)}"
    return codes.reshape(-1), [f"{name} = {levels[::-1][int(row.argmax())]}" if row.any() else first for row in values]
