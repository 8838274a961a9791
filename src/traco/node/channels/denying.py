"""What of the seats' errors is an answer to who asked, and no reason for the process to end; and how it is said."""

from typing import Any, Final

from traco.channels.disclosing.errors import DisclosingError
from traco.channels.executing.errors import ExecutingError
from traco.channels.seat.errors import KeyMissing, NotHosted, NotRebuilt, SubmissionRefused

REFUSALS: Final = (DisclosingError, ExecutingError, KeyMissing, NotHosted, NotRebuilt, SubmissionRefused)


def said(error: Any) -> tuple[str, str]:
    """The code of an error, and its text without it."""
    code = str(getattr(error, "code", ""))
    return code, str(error).removeprefix(f"{code}: ")
