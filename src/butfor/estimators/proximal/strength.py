"""How much the treatment proxies say of the outcome proxies."""

from __future__ import annotations

import numpy as np

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.estimators.base import treatment_columns
from butfor.estimators.proximal.columns import Proxies
from butfor.inference.least_squares import Controls
from butfor.inference.two_stage import first_stage

# Below this F intervals of two-stage least squares are not to be trusted (Staiger and Stock 1997, doi:10.2307/2171753).
WEAK = 10.0


def strength_of(proxies: Proxies) -> float:
    """The weakest first-stage F of an outcome proxy, given treatment and covariates."""
    sample = proxies.sample
    controls = Controls.of(np.hstack([treatment_columns(sample.treatment)[0], proxies.given]), sample.weights)
    return float(first_stage(proxies.after, proxies.before, controls).min())


def strength_note(strength: float) -> Diagnostic:
    """What the first stage says of the interval."""
    shown = f"{strength:,.1f}" if np.isfinite(strength) else "infinite"
    said = f"The first-stage F of the proxies is {shown}"
    value = strength if np.isfinite(strength) else None
    if strength < WEAK:
        message = (
            f"{said}, below {WEAK:g}: the treatment proxies say little of the outcome proxies, and the interval is not "
            "to be trusted."
        )
        return Diagnostic("weak-proxies", Severity.DANGER, message, value)
    return Diagnostic("first-stage", Severity.NOTE, f"{said}.", value)
