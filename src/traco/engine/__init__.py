"""Engines: they put envelopes in one order and drive the kernel."""
