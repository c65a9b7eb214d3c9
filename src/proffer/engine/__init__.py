"""The engine: ingest, serve, train, evaluate and release, over ports."""
