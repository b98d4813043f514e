"""The command line: every job of the platform as a command."""
