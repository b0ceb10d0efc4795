"""What happened: batches, enrolments, lesson and assessment updates."""
