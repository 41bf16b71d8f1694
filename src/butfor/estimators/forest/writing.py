"""Effects of rows, written to a file batch by batch."""

from __future__ import annotations

from pathlib import Path

from butfor.core.errors import InvalidSetting
from butfor.data.executors.growing import GrowingFile
from butfor.data.rows import Rows
from butfor.inference.effects import EffectTable

NAMES = ("effect", "std_error", "conf_low", "conf_high")


def effect_file(path: Path, keep: tuple[str, ...], terms: tuple[str, ...]) -> GrowingFile:
    """A .parquet or .csv file of effects.

    Args:
        path: the file.
        keep: columns of the rows that stand before the effects.
        terms: the effects; several have columns of their own.
    """
    names = NAMES if len(terms) == 1 else tuple(f"{name} of {term}" for term in terms for name in NAMES)
    taken = sorted(set(keep) & set(names))
    if taken:
        raise InvalidSetting(
            f"keep has {taken[0]!r}; the file needs that name for an effect.", hint="rename the column"
        )
    return GrowingFile(path, (*keep, *names))


def write_effects(file: GrowingFile, rows: Rows, effects: EffectTable, level: float) -> None:
    """Append a batch of rows with their effects."""
    limits = effects.interval(level)
    assert effects.std_error is not None
    each = range(len(effects.labels))
    found = [part for j in each for part in (effects.value[:, j], effects.std_error[:, j], *limits[:, j].T)]
    count = len(file.names) - len(found)
    kept = {name: rows.column(name, role="column to keep") for name in file.names[:count]}
    file.append({**kept, **dict(zip(file.names[count:], found, strict=True))})
