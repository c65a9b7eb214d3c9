"""Adapters of the ports: in memory, and on one machine's disk with SQLite and files."""
