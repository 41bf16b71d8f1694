"""Sphinx: `make docs`."""

from __future__ import annotations

from importlib.metadata import version as version_of

project = "Butfor"
author = "The Butfor developers"
copyright = author
version = release = version_of("butfor")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

autodoc_typehints = "none"  # signatures name the roles; types are in the source and in the editor
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "pydata_sphinx_theme"
html_title = "Butfor"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False}
