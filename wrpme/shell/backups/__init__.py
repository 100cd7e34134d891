"""``hive_backup`` and ``hive_restore``: between a hive and a file. Only their names are known before they are given."""
