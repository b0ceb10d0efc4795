"""Reports: what was asked, the rows, the file, its seal."""
