"""Causal graphs learned from data: proposals, never the truth."""
