"""Real queries with what must come out: spoken commands, an assistant's searches, reported faults, playlists."""
