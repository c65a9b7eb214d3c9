"""State folded from the log, and the feature columns read from it: one implementation to serve, replay and train."""
