"""Backup files: all entries of a hive, or of a data directory, in one stream of checked frames."""
