"""The whole hive in virtual time: network, disks, clocks, faults and clients, all from one seed.

``linear``     is a history of one entry linearizable?
``disk``       what a power loss and a crash leave of what was written
``network``    connections that are late, cut, broken and made again
``machine``    one node with its clock, its disk and its turns
``world``      the heap of things to come, and the machines
``checks``     what must be true after each step
``workload``   clients and their histories
``faults``     what goes wrong when
``run``        one seed from start to verdict
``mutations``  rules broken on purpose: the checkers must notice

``python -m tests.sim --seeds 1000`` runs many, ``python -m tests.sim --seed 42 --trace`` replays one.
"""
