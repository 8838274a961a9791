"""Confidential channels on the side of those who take part: sealing, custody, execution, attestation, recovery."""
