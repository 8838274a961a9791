"""What people must look at in the channels of a node, by stable code. None of it makes the node less ready: the ledger never stops
because of a channel.
"""

from typing import Final

from traco.channels.seat.figures import SeatFigures

STALL_MS: Final = 60_000  # for so long may a channel wait for payloads or other members before it is said
BLOCKS_BEHIND: Final = 1_000
NEARLY_FULL: Final = 0.9  # of what custody takes

AWAY: Final = "channels.away"
CHANNEL_WARNINGS: Final = {
    AWAY: "The channels' process does not answer: it starts, has no keys yet (traco channel seat), or failed; see node.log.",
    "channels.behind": "The channels' process is far behind the ledger's blocks; it catches up, or see node.log.",
    "channels.stuck": "A channel cannot go on here; traco channel list says which, and traco channel show what holds it up.",
    "channels.missing": "A payload was reported missing and nobody has shown it yet; traco channel missing says who signed for it.",
    "channels.unconfirmed": "What a channel executed is not confirmed for long: too few members attest it. Ask the others.",
    "channels.disputed": "The ledger confirmed another digest of a channel than this node found; have the channel rebuilt.",
    "channels.suspended": "A channel is suspended: its members do not agree. Its adjudicator, or the council, resumes or ends it.",
    "channels.member_silent": "Another member's node does not answer: its receipts and payloads are lacking. Ask who runs it.",
    "channels.outbox_waiting": "Transactions of a channel wait to be ordered for long; traco channel show says what holds it up.",
    "channels.offer_wrong": "An epoch is on offer whose copies of the key are wrong; do not accept it, and ask its proposer.",
    "channels.key_outdated": "A member has another seat than a channel's key was wrapped for; begin a new epoch: traco channel offer.",
    "channels.custody_full": "Nearly as many payloads are held as this node takes; soon it takes none from others.",
}
"""What is wrong with channels, by stable code, and what to do."""

_STOPPING: Final = frozenset({"channel.key_missing", "channel.snapshot_needed"})
_EXECUTING: Final = "executing."  # what stops execution is not passing


def channel_warnings(figures: SeatFigures) -> list[str]:
    """The codes of what people must look at."""
    problems, statuses, offers = dict(figures.problems), dict(figures.statuses), dict(figures.offers)
    is_stopped = any(code in _STOPPING or code.startswith(_EXECUTING) for code in problems)
    found = {
        "channels.behind": figures.root_height - figures.read_height > BLOCKS_BEHIND,
        "channels.stuck": is_stopped or figures.unexecuted_ms > STALL_MS,
        "channels.missing": figures.reported > 0,
        "channels.unconfirmed": figures.unconfirmed_ms > STALL_MS,
        "channels.disputed": problems.get("channel.disputed", 0) > 0,
        "channels.suspended": statuses.get("suspended", 0) > 0,
        "channels.member_silent": any(each.silent_ms > STALL_MS for each in figures.members),
        "channels.outbox_waiting": figures.outbox_ms > STALL_MS,
        "channels.offer_wrong": offers.get("wrong", 0) > 0,
        "channels.key_outdated": figures.outdated > 0,
        "channels.custody_full": figures.custody_bytes > NEARLY_FULL * figures.custody_limit_bytes,
    }
    return [code for code, holds in found.items() if holds]
