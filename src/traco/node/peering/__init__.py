"""Calls from node to node: HTTPS, with both sides known by the certificates that their seats have on the ledger.

No certificate authority and no expiry is involved: a certificate is trusted because a member registered it, until it
registers another. Everything received is untrusted: size, rate and number of calls are limited by peer.
"""
