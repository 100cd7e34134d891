"""What ``hive_import`` brings into a hive. Only where it comes from is known before that command is given."""
