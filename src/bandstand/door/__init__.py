"""The front door for Python: what `import bandstand` offers."""
