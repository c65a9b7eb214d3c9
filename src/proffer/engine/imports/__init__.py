"""Tables from elsewhere (CSV, JSON lines, Parquet) become events of the log."""
