"""Candidate generators; each turns a query into (ordinal, score) candidates."""
