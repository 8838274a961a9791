"""How a target says that its property does not hold."""


def require(holds: object, otherwise: str) -> None:
    """Raise ``AssertionError`` where something does not hold."""
    if not holds:
        raise AssertionError(otherwise)
