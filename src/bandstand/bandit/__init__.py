"""Which retrievers play, how deep, and with which probability."""
