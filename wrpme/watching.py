"""Watching a hive: one connection to each of its nodes, and all that they tell as one stream of sightings."""
