"""SQL adapters of the store."""
