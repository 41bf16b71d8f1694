#pragma once

#include <nanobind/nanobind.h>

// Adds the forest's functions to the module.
void bind_forest(nanobind::module_& m);

// Adds the effects with slopes.
void bind_slopes(nanobind::module_& m);
