"""What became of a settlement across channels, in words: who is waited for, or how and why it ended."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from traco.cli.collecting import MAX_FILE_BYTES
from traco.cli.files import read_bounded
from traco.cli.problems import CommandProblem, ExitCode, absent
from traco.cli.session import Reading
from traco.cli.times import readable_time
from traco.client.channel_deals import AgreedTerms, Deals, require_transaction
from traco.client.collecting import read_draft
from traco.client.results import NotFound
from traco.modules.composition import compose

PAUSE_SECONDS: Final = 0.2
UNKNOWN: Final[dict[str, Any]] = {"status": "unknown", "legs": []}
_ENDED: Final = ("committed", "aborted")


def standing_of(session: Reading, agreed: AgreedTerms) -> dict[str, Any]:
    """What the node knows of terms; to who acts on the root alone, what the root shows."""
    try:
        return Deals(session.client).settlement(agreed.id)
    except NotFound:
        pass
    try:
        found = session.client.query("channel.settlement", terms=agreed.id)
    except NotFound:
        return UNKNOWN
    if found is None:
        return UNKNOWN
    known = found["settlement"]
    return {"status": known["status"], "attempt": known["attempt"], "legs": []}


def decided(session: Reading, agreed: AgreedTerms, seconds: float, attempt: str = "") -> dict[str, Any]:
    """As ``standing_of``, once it is decided, or ``seconds`` after the deadline. ``attempt``: which one, if not the last."""
    left_ms = max(agreed.terms.deadline_ms - session.client.status().time_ms, 0)
    end = time.monotonic() + left_ms / 1_000 + seconds
    while True:
        found = standing_of(session, agreed)
        is_it = attempt in ("", found.get("attempt")) or found["status"] == "committed"
        if (found["status"] in _ENDED and is_it) or time.monotonic() >= end:
            return found
        if found["status"] == "unknown" and not attempt and left_ms == 0:
            return found  # nothing can be ordered any more
        time.sleep(PAUSE_SECONDS)


def report(session: Reading, agreed: AgreedTerms, found: dict[str, Any]) -> None:
    """Show it. Raises ``CommandProblem`` unless it committed: so the exit code tells."""
    status = found["status"]
    if status == "unknown":
        raise absent(
            "settlement.unknown",
            "Nothing is known here of an attempt at these terms: none was ordered, or one was aborted in channels that you are "
            "not in.",
        )
    words = _words(session, agreed, found)
    if session.output.as_json:
        session.output.record({"terms": agreed.id.hex(), **found})
    else:
        legs = {f"leg {_ledger(leg)}": _leg_words(session, leg) for leg in found["legs"]}
        session.output.record(
            {"terms": agreed.id.hex(), "attempt": found["attempt"], "status": status, **legs}
        )
        session.output.note(words)
    if status != "committed":
        raise CommandProblem(ExitCode.NEGATIVE, f"settlement.{status}", words, {"terms": agreed.id.hex()})


def own_legs(session: Reading, agreed: AgreedTerms, files: Sequence[Path]) -> list[str]:
    """What became of signed legs inside their channels, in words, for who is in there. Raises ``CommandProblem``, ``DealInvalid``."""
    bodies, found = compose().body, []
    for file in files:
        raw = read_bounded(file, MAX_FILE_BYTES)
        require_transaction(raw, agreed, bodies)
        draft = read_draft(raw, bodies)
        result = session.client.channel_result(draft.ledger, draft.identity)
        if result is None:
            words = (
                "nothing is known of it there: it was not ordered, or it was no valid transaction when it was"
            )
        elif result.failure is not None:
            words = f"refused: {result.failure.text} [{result.failure.code}]"
        else:
            words = f"held ({result.status})"
        found.append(f"{file.name} in channel {draft.ledger.hex()}: {words}")
    return found


def _words(session: Reading, agreed: AgreedTerms, found: dict[str, Any]) -> str:
    if found["status"] == "committed":
        return "Committed: every leg was executed, on every ledger."
    if found["status"] == "undecided":
        return f"Undecided: what the legs give is set aside. Without a decision it is released at {_deadline(agreed)}."
    silent = ", ".join(session.named(each) for each in found.get("silent", ()))
    why = {
        "refused": "the members of a channel refused its leg",
        "voided": "the payload of a leg could not be shown, and its entry is void",
        "deadline": f"the deadline passed before everybody had spoken; still silent: {silent or 'nobody'}",
    }.get(found.get("reason", ""), "it was given up")
    return (
        f"Aborted: {why}. Everything set aside was released. These terms can be attempted again until {_deadline(agreed)}, "
        "with legs of channels that their parties sign anew (traco channel deal sign --anew)."
    )


def _leg_words(session: Reading, leg: dict[str, Any]) -> str:
    if not leg["ledger"]:
        return "held"
    if leg["refused"]:
        return f"refused by {_names(session, leg['refused'])}"
    wanting = [each for each in leg["attesters"] if each not in leg["held"]]
    if len(leg["held"]) < leg["policy"]:
        wanting += [each for each in leg["members"] if each not in leg["held"] + wanting]
    if wanting:
        return f"waits for the word of {_names(session, wanting)}"
    return "held" if leg["confirmed"] else "held, not confirmed yet"


def _names(session: Reading, members: list[str]) -> str:
    return ", ".join(session.named(each) for each in members)


def _ledger(leg: dict[str, Any]) -> str:
    return str(leg["ledger"]) or "on the root"


def _deadline(agreed: AgreedTerms) -> str:
    return readable_time(agreed.terms.deadline_ms)
