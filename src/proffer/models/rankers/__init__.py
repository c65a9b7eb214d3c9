"""Rankers: each scores the rows of one list."""
