"""Roll-up: course and unit aggregates, assessment scores, completion, reconciliation."""
