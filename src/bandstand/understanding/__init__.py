"""What a query means: weighted readings of its words as names, attributes and intents; spelling; synonyms."""
