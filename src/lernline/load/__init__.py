"""Entry room for dumps: the contract's tables as cqlsh CSV, RFC 4180 CSV, JSON lines or Parquet (ruling 31)."""
