"""Figures: what a search, an event and an entity cost here, as a table and as JSON (`make bench`)."""
