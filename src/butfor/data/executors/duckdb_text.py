"""Names and errors of DuckDB."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from butfor.core.errors import UnreadableData


@contextmanager
def readable(source: str) -> Generator[None]:
    """Turn DuckDB's errors into ours."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise UnreadableData(
            f"The data of {source} cannot be read ({reason}).",
            hint="check that the file is complete and of the kind that its name says, and that no program writes to it",
        ) from error


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
