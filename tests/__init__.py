"""The test suite: one folder per part of the package; what several tests use lives in `support`."""
