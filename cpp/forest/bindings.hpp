#pragma once

#include <nanobind/nanobind.h>

// Adds the forest's functions to the module.
void bind_forest(nanobind::module_& m);

// Adds the effects with slopes.
void bind_slopes(nanobind::module_& m);

// Adds quantiles and survival near points.
void bind_curves(nanobind::module_& m);
