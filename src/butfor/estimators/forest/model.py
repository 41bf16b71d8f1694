"""The effects that a forest has learned, by themselves: for new rows, for files of any size, on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from butfor.core.errors import UnreadableData
from butfor.data.dataset import open_dataset
from butfor.data.design import design_matrix
from butfor.data.gaps import gap_request, gaps_restored, rows_with_gaps
from butfor.data.request import Request
from butfor.data.rows import Rows
from butfor.data.sample import Covariates
from butfor.estimators.forest.planes import Planes
from butfor.estimators.forest.stored import read, written
from butfor.estimators.forest.writing import effect_file, write_effects
from butfor.inference.effects import EffectTable
from butfor.native.forest import Forest
from butfor.native.forest_points import PointEstimates

FloatArray = NDArray[np.float64]

FORMAT = 2
BATCH = 65_536


@dataclass(frozen=True, eq=False)
class ForestEffects:
    """Effects at any point of the covariates, without the sample that they were learned from.

    Attributes:
        covariates: names and sources of the columns of the design matrix (no rows).
        terms: one label per effect.
        combinations: what is asked of the forest's effects (terms × effects): contrasts of arms, or a step of an
            amount.
        forest: the trees.
        planes: what effects tilt along, if they do. They need what is left of outcome and treatment of every row.
    """

    covariates: Covariates
    terms: tuple[str, ...]
    combinations: FloatArray
    forest: Forest
    planes: Planes | None = None

    def effect(self, new_data: Any) -> EffectTable:
        """The effect of each row for each contrast, with its standard error.

        Args:
            new_data: a frame, file or table with the covariates. Of a file, only the effects are held in memory.
        """
        nothing = np.empty((0, len(self.terms)))
        parts = [self._at(matrix) for _, matrix in matrices(new_data, self.covariates)]
        value = np.concatenate([nothing, *(part.value for part in parts)])
        return EffectTable(self.terms, value, np.sqrt(np.concatenate([nothing, *(part.variance for part in parts)])))

    def score_file(self, new_data: Any, target: str | Path, *, keep: Sequence[str] = (), level: float = 0.95) -> int:
        """Write the effect of each row to a file, some rows at a time: memory does not grow with their number.

        Args:
            new_data: a frame, file or table with the covariates.
            target: a .parquet or .csv file; columns effect, std_error, conf_low and conf_high after those to keep. Of
                several contrasts each has its own, such as "effect of drug: b - a".
            keep: columns of the data to write as well, such as an identifier.
            level: of the pointwise intervals.

        Returns:
            How many rows were written.
        """
        count = 0
        with effect_file(Path(target), tuple(keep), self.terms) as file:
            for rows, matrix in matrices(new_data, self.covariates, keep):
                found = self._at(matrix)
                write_effects(file, rows, EffectTable(self.terms, found.value, np.sqrt(found.variance)), level)
                count += rows.n
        return count

    def _at(self, matrix: FloatArray) -> PointEstimates:
        found = self.forest.predict(matrix) if self.planes is None else self.planes.at(matrix)
        return found.combine(self.combinations)

    def save(self, path: str | Path) -> None:
        """Write the effects to a compressed file of arrays; `load_effects` reads it. No code is stored or run.

        The rows that the forest was grown on are not in it. With slopes, what is left of their outcome and treatment
        is, and the columns that effects tilt along.
        """
        head, arrays = written(self.forest, self.planes)
        names = {"columns": self.covariates.columns, "source": self.covariates.source, "terms": self.terms}
        words = json.dumps({"format": FORMAT, "combinations": self.combinations.tolist(), **names, **head})
        stored: dict[str, Any] = {"head": np.frombuffer(words.encode(), dtype=np.uint8), **arrays}
        with open(path, "wb") as stream:
            np.savez_compressed(stream, **stored)


def matrices(new_data: Any, covariates: Covariates, keep: Sequence[str] = ()) -> Iterator[tuple[Rows, FloatArray]]:
    """New rows, some at a time, with their design matrices; NaN where a number is missing that had gaps before."""
    request = gap_request(covariates) | Request(frozenset(keep))
    for rows in open_dataset(new_data).batches(request, BATCH):
        yield rows, gaps_restored(design_matrix(rows_with_gaps(rows, covariates), covariates), covariates)


def load_effects(path: str | Path) -> ForestEffects:
    """Effects that `ForestEffects.save` has written.

    Raises:
        UnreadableData: when there is no such file, or it holds something else.
    """
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        head = json.loads(arrays.pop("head").tobytes())
        if head["format"] != FORMAT:
            raise UnreadableData(
                f"The format of {path} is {head['format']}; this version needs {FORMAT}.", hint="fit and save again"
            )
        forest, planes = read(head, arrays)
        columns, source = tuple(head["columns"]), tuple(head["source"])
        covariates = Covariates(np.empty((0, forest.binning.columns)), columns, source)
        combinations = np.array(head["combinations"], dtype=float)
        if combinations.shape != (len(head["terms"]), len(forest.scale)):
            raise UnreadableData("The contrasts of the file do not fit its forest.", hint="fit and save again")
        return ForestEffects(covariates, tuple(head["terms"]), combinations, forest, planes)
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, BadZipFile) as error:
        raise UnreadableData(
            f"The effects of {path} cannot be read ({error}).", hint="give a file that save(path) has written"
        ) from error
