"""Reads the log in order; updates memory and bandit; trains the ranker; publishes models."""
