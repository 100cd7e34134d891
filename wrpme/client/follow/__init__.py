"""Following entries: what is told of them, by all owners, as one story."""
