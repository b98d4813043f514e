"""What can be found: entities, readers of public dumps, text analysis, the store."""
