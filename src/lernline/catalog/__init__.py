"""Course trees: reading published hierarchies, the relations that follow from them, and content search."""
