"""The registry of model versions: verified folders, and an atomic pointer to the one that serves."""
