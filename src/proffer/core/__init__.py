"""Nouns, errors and ports: what every other layer speaks in."""
