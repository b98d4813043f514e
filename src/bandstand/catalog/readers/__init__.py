"""Readers of catalogue files: one small class a format, all behind the `Reader` protocol of `base`."""
