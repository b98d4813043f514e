"""The log in the field's formats: UBI, TREC, SVMLight/LETOR, VW dsjson, and the OBP dictionary."""
