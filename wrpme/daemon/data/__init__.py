"""The program wrpme-data: it looks at the data directory of a node that does not run."""
