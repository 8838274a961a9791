"""Tortures confidential channels: nodes, custodians, disks and wires failing over a simulated root, and real processes killed.

    town         organisations with a node each over one root, in virtual time; their disks are simulated
    lines        channels with money in them, and the payments, settlements and freezes of their members
    deals        settlements across channels and the root: swaps, imports, exports, and those that must not happen
    harm         what goes wrong by itself: nodes, disks, wires, custodians, members that lie
    drills_...   what is provoked: a scene each, with what must come of it
    auditor      reads the root by itself: who attested what, what is decided, and that nothing confirmed is undone
    ledgers      what members' nodes have must be alike, and what the confirmed business makes of it
    secrecy      names and amounts are planted in channels and looked for in all that others have, get and see
    simulation   one seed, one town: all of it, until everything has come to its end
    processes    the node of three members, its processes killed with signal 9 at random under load
    selftest     plants known faults, one at a time: each must be found

Run it with ``make torture-channels SECONDS=300 SEED=1`` and ``make torture-selftest``.
"""
