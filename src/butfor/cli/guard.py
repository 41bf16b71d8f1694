"""Errors as a user of the command line wants them."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from butfor.core.errors import ButforError

DONE, CHECK_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def guarded(work: Callable[[], int]) -> int:
    """The exit code of some work; an error of ours becomes two lines on stderr."""
    try:
        return work()
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted.")
        return INTERRUPTED
    except ButforError as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(Text.assemble((f"{type(error).__name__} ", "bold red"), error.message))
        console.print(Text.assemble(("hint: ", "bold"), error.hint))
        return BAD_INPUT
