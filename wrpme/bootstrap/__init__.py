"""Nodes on other machines, over SSH: what an operator says in a topology file, and what is done for it on each host.

Nothing here is loaded before one of its commands is given.
"""
