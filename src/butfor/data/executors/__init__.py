"""Engines: the only place where one is imported, and only when it is used."""
