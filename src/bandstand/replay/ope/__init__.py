"""Off-policy evaluation: what another policy would have earned, told from logs that hold propensities."""
