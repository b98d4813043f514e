"""The report of a replay, a closed loop or an off-policy evaluation: one self-contained page."""
