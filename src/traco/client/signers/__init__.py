"""Signers whose secret is elsewhere: the operating system's keyring, or a command that asks a hardware module."""
