"""Nothing yet: assignment, significance and rollout come with the models that learn."""
