"""Reports: one HTML file and one JSON contract from everything a study found."""
