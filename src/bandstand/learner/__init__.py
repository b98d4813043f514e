"""Reads the log in order; updates memory and bandit; trains ranker, reward and query generator; publishes models."""
