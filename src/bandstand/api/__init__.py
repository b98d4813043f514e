"""HTTP: search, events, suggest, admin."""
