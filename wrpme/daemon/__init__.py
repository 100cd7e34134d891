"""wrpmed: the node of `wrpme.node` as a process: sockets, disk, clock, signals, log."""
