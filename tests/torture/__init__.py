"""Tortures the whole ledger: a simulation with crashes and power cuts, real processes killed, other hash seeds.

    model        what ought to be, in dictionaries; knows instructions, nothing of the kernel
    actions_...  what parties ask for, a table of actions for each module; model_... has the handlers that go with it
    requests     random business of all kinds, right and wrong, as signed transactions
    checker      compares every committed block with the model and with an undisturbed ledger in memory
    simulation   one seed, one ledger on a simulated disk, disturbed between and within all its steps
    processes    a real node, killed at random moments under load
    determinism  the same blocks under other hash seeds, thread and process counts
    selftest     plants known faults, one at a time: the torture must find each

Run it with ``make torture SECONDS=120 SEED=1`` and ``make torture-selftest``.
"""
