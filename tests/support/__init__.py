"""What several tests use: small worlds to search in, builders of records, and ways to end a process."""
