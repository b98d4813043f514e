"""A folder of music as entities: tags, playlists and covers, read again only where a file has changed."""
