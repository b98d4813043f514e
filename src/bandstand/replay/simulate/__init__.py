"""The closed loop: listeners whose wishes are known meet the live platform, and what they do teaches it."""
