"""Causal graphs: text formats, separation, layout."""
