"""Features of (query, candidate), LambdaMART, fast scoring."""
