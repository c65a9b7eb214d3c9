"""The advisor: ranks the recommendations of an assessment for who reads it."""
