"""Bandstand: music search that learns how to rank and how to retrieve."""
