"""Re-rankers: each reorders one scored list."""
