"""The files that a run writes: checked before the work, never over what it reads, all of them or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from butfor.core.errors import UnwritablePath


@dataclass(frozen=True)
class Outputs:
    """Files to write."""

    report: Path | None
    json: Path | None

    @property
    def paths(self) -> tuple[Path, ...]:
        """Those that were asked for."""
        return tuple(path for path in (self.report, self.json) if path is not None)

    def check(self) -> None:
        """Refuse paths that cannot be written, before any work.

        Raises:
            UnwritablePath: with the path and why.
        """
        for path in self.paths:
            try:
                _check_writable(path)
            except OSError as error:  # a name that is too long, a loop of links
                raise _refused(path, error) from error
        if self.report is not None and self.json is not None and self.report.resolve() == self.json.resolve():
            raise UnwritablePath(
                f"Path {str(self.report)!r} is both report and JSON; two outputs need two files.",
                hint="--report report.html --json study.json",
            )

    def spare(self, inputs: Iterable[Path]) -> None:
        """Refuse to write over what the run reads.

        Raises:
            UnwritablePath: when an output is one of the inputs.
        """
        for read in inputs:
            for path in self.paths:
                if read.exists() and path.exists() and read.samefile(path):
                    raise UnwritablePath(
                        f"Path {str(path)!r} is read by the study; an output needs a file of its own.",
                        hint="--report report.html --json study.json",
                    )

    def write(self, texts: Mapping[Path, str]) -> None:
        """Write drafts beside the outputs and rename them at the end, so that nobody ever sees a part of them.

        Raises:
            UnwritablePath: when a file cannot be written; then none is.
        """
        with ExitStack() as stack:
            drafts = {path: _draft(path, text, stack) for path, text in texts.items() if not _is_device(path)}
            for path, text in texts.items():
                try:
                    if path in drafts:
                        drafts[path].replace(path.resolve())
                    else:
                        path.write_text(text, encoding="utf-8")
                except OSError as error:
                    raise _refused(path, error) from error


def _check_writable(path: Path) -> None:
    folder = path.resolve().parent
    if _is_device(path):
        return
    if not folder.is_dir():
        raise UnwritablePath(f"Folder {str(folder)!r} does not exist; the output needs one.", hint=f"mkdir -p {folder}")
    if path.is_dir():
        raise UnwritablePath(f"Path {str(path)!r} is a folder; the output needs a file.", hint=f"{path}/report.html")
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise UnwritablePath(f"Path {str(path)!r} cannot be written.", hint="choose another folder")


def _is_device(path: Path) -> bool:
    """A pipe, a terminal or /dev/null, which is written to and must not be replaced by a file."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _draft(path: Path, text: str, stack: ExitStack) -> Path:
    """The text in a file on the same disk, which goes when the stack does."""
    target = path.resolve()
    try:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=target.parent, prefix=".butfor-"))
        draft = Path(folder) / "draft"
        draft.write_text(text, encoding="utf-8")
        if target.exists():
            shutil.copymode(target, draft)
    except OSError as error:
        raise _refused(path, error) from error
    return draft


def _refused(path: Path, error: OSError) -> UnwritablePath:
    return UnwritablePath(f"Path {str(path)!r} cannot be written ({error.strerror}).", hint="choose another folder")
