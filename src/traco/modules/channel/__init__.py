"""Confidential channels as the root sees them: who takes part, in which order, and what members attest. Never content."""
