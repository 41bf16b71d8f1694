"""Effects of rows, written to a file batch by batch."""

from __future__ import annotations

from pathlib import Path

from butfor.core.errors import InvalidSetting
from butfor.data.executors.growing import GrowingFile
from butfor.data.rows import Rows
from butfor.inference.effects import EffectTable

NAMES = ("effect", "std_error", "conf_low", "conf_high")


def effect_file(path: Path, keep: tuple[str, ...] = ()) -> GrowingFile:
    """A .parquet or .csv file of effects.

    Args:
        path: the file.
        keep: columns of the rows that stand before the effects.
    """
    taken = sorted(set(keep) & set(NAMES))
    if taken:
        raise InvalidSetting(
            f"keep has {taken[0]!r}; the file needs that name for an effect.", hint="rename the column"
        )
    return GrowingFile(path, (*keep, *NAMES))


def write_effects(file: GrowingFile, rows: Rows, effects: EffectTable, level: float) -> None:
    """Append a batch of rows with their effects."""
    limits = effects.interval(level)[:, 0]
    assert effects.std_error is not None
    found = (effects.value[:, 0], effects.std_error[:, 0], limits[:, 0], limits[:, 1])
    kept = {name: rows.column(name, role="column to keep") for name in file.names[: -len(NAMES)]}
    file.append({**kept, **dict(zip(NAMES, found, strict=True))})
