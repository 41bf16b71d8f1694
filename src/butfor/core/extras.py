"""Optional and heavy dependencies: imported when first used, with one clear error when absent."""

from __future__ import annotations

import importlib
from types import ModuleType

from butfor.core.errors import MissingExtra


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import `module`, or say which extra brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"{purpose} needs the package {module.split('.', maxsplit=1)[0]!r}, which is not installed.",
            hint=f"pip install 'butfor[{extra}]'",
        ) from error
