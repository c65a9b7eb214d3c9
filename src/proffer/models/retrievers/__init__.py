"""Retrievers: each scores the whole catalogue for a query."""
