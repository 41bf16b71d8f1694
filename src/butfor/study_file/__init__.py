"""Studies as files: what may stand in them, and how they become a Study."""
