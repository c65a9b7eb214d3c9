"""A social feed: which posts to hold out to whom."""
