"""The graph against the data: what it implies, whether that holds, and what would mend it."""
