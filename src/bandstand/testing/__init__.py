"""Contract suites as a pytest plug-in: what a retriever, a policy or a reader of anybody's has to keep."""
