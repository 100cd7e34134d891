"""wrpmed: the node of `wrpme.core.node` as a process: sockets, disk, clock, signals, log."""
