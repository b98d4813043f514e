"""What a browser gets: HTML, style sheets and ES modules, sent as they stand here (ADR 15); no Python but this line."""
