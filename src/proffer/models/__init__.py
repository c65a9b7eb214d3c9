"""Models: what retrieves, ranks and re-ranks; they learn from a state and know nothing of features or stores."""
