"""Talking to OpenSearch: one pooled connection, versioned indices behind aliases, failures in our own error tree."""
