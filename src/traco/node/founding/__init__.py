"""Founding a network without a trusted party: node cards, the assembled genesis, the founders' signatures; and networks
of several nodes on one machine, made by the same functions."""
