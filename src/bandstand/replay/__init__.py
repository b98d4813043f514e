"""Offline evaluation of policies, rankers and memories."""
