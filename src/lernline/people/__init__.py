"""People: what the line knows of a learner, and where that comes from."""
