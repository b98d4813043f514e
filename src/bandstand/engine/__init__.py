"""One search, from the request to the logged page."""
