"""Experiments as pure functions: off-policy estimation, and how much two rankings agree."""
