"""From an estimate to what should be done."""
