"""UBI events, the durable log, attribution of a click to its search, sessions, and rewards learned from them."""
