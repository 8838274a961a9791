"""What becomes of the kernel's alarms inside channels."""

import logging

log = logging.getLogger("traco.channels")


def report_alarm(kind: str, identity: bytes, error: BaseException) -> None:
    """An alarm of the kernel inside a channel. What was executed stands; people must look."""
    log.error("ALARM %s in %s of a channel: %r", kind, identity.hex(), error, exc_info=error)
