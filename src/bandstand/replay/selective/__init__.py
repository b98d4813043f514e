"""Selective retrieval judged against what every choice of retrievers would have shown."""
