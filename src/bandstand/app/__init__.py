"""A running platform put together: the searching and the learning side of a home, and the door to both."""
