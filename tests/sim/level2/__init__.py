"""The second level of the simulation: the daemon's own runner, server, links and store code, and the client library, on
an event loop in virtual time over an in-memory network and disk.

``loop`` makes time virtual and lets whole machines hang or die; ``net`` carries bytes; ``machine`` is a process with
its disk; ``run`` draws what happens from a seed and judges it. ``python -m tests.sim.level2 --seeds 200``.
"""
