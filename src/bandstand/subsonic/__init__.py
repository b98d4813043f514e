"""Subsonic and OpenSubsonic servers: their catalogue as entities, and a front before one whose searches are ours."""
