"""Direct and indirect effects: through mediators, along paths, with mediators drawn at random."""

from butfor.identify.mediation.contrast import Contrast
from butfor.identify.mediation.covariates import is_mediation_set, mediation_set
from butfor.identify.mediation.cross_world import Recanting
from butfor.identify.mediation.interventional import InterventionalEffects, identify_interventional_effects
from butfor.identify.mediation.natural import NaturalEffects, identify_natural_effects
from butfor.identify.mediation.path_specific import PathSpecificEffect, identify_path_specific
from butfor.identify.mediation.strategy import MediationStrategy, declared_mediation, mediation_strategy

__all__ = [
    "Contrast",
    "InterventionalEffects",
    "MediationStrategy",
    "NaturalEffects",
    "PathSpecificEffect",
    "Recanting",
    "declared_mediation",
    "identify_interventional_effects",
    "identify_natural_effects",
    "identify_path_specific",
    "is_mediation_set",
    "mediation_set",
    "mediation_strategy",
]
