"""Who may do what: keys with scopes, where they are kept, what is counted against them, and whose past is whose."""
