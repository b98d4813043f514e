"""Q2E: what a query led to, what a user chose, and predictions until real answers arrive."""
