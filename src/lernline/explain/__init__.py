"""Why: traces one learner along the line, recorded → rolled up → completed → certified → reported, and names causes."""
