"""Nodes on other machines, over SSH: the commands that take a topology file, and node_start.

    commands, arguments    a command from its words to what the operator reads at the end; reporter shows its steps
    topology/              the file: which nodes run on which machines. Pure
    rollout/               what is done: check, plan, apply, upgrade, rotate, teardown, logs, whether the hive is stable
    credentials/           the CA of a hive, which stays with the operator
    bundle/                what is sent to a host: wrpme and its libraries for the Python there
    hosts/                 the hosts of one command: a session with each, its agent, questions to its nodes
    ssh/                   logins: the configuration of ssh, host keys, keys of the user, what can fail
    agent/                 what runs on a host for the time of a command

The way of a topology file: commands reads it, topology.file checks it, and rollout.apply opens a session with each host
(hosts.fleet, by ssh.connector and hosts.agent_client). rollout.plan makes a plan of what the agents find. Carrying it
out goes the same way: hosts.node_control asks an agent, whose dispatch calls its releases and its node.

Nothing here is loaded before one of the commands is given.
"""
