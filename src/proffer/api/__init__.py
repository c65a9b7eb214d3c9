"""HTTP: operations, authentication, limits, problems, the server."""
