"""Attempts to break an estimate, and what it would take to overturn it."""
