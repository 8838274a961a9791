"""Tortures real clusters: four nodes and their engines as processes of this machine, disturbed in every way at hand.

    network      founds a network whose nodes reach each other only through ``wires``; starts and ends it
    sites        one node: its processes, its keys, its ledger as read from outside
    wires        what is between the nodes: delay, loss, and partitions of every shape
    load         signed transfers through several gateways; ``journal`` keeps what was acknowledged
    comparison   the same blocks on all nodes, executed again by an undisturbed ledger in memory; nothing lost, nothing twice
    faults_...   what is done to a network, each with what must be seen meanwhile; ``endurance`` chooses by a seed
    behaviour    how a node misbehaves that is not killed but lies; planted in its process through ``planted/sitecustomize.py``
    builds       engines that misbehave: built from a copy of their source
    remains      what can be seen of a node that did not start
    endurance    one network under load, one fault after the other
    selftest     plants known faults of this layer: each must be found

Run it with ``make torture-cluster SECONDS=120 SEED=1`` and ``make torture-selftest``.
"""
