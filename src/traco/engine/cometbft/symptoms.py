"""What the engine says in its log and nowhere else, and what it means."""

import re
from typing import Final, NamedTuple

CUT: Final = 400
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_ENTRY: Final = re.compile(r"[A-Z]\[[^\]]*\] ([^=]*)")
"""An entry of the engine's log: its words, up to the first of its fields."""
_ERROR_FIELD: Final = re.compile(r'err(?:or)?=(?:"((?:[^"\\]|\\.)*)"|(\S+))')


class Symptom(NamedTuple):
    """A line that contains all of ``texts`` says that the engine cannot go on: a code, and what to do."""

    texts: tuple[str, ...]
    code: str
    advice: str


_DIVERGED: Final = (
    "this node computed another state than the network agreed on; see what differs with `traco node compare`, go back one "
    "block with `traco node rollback`, and start the node again"
)
_DISK_FULL: Final = "the disk is full; make space, and start the node again"
FATAL: Final = (
    Symptom(("CONSENSUS FAILURE", "wrong Block.Header."), "engine.diverged", _DIVERGED),
    # block sync has checked the signatures by then: the block is the network's, and what differs is ours
    Symptom(("Error in validation", "wrong Block.Header."), "engine.diverged", _DIVERGED),
    Symptom(("AppHash does not match AppHash after replay",), "engine.diverged", _DIVERGED),
    Symptom(("does not match app's AppHash",), "engine.diverged", _DIVERGED),
    Symptom(
        ("app block height", "is higher than core"), "engine.blocks_lost",
        "the ledger is ahead of the engine's folder: restore the engine's data folder that belongs to it, or the whole node from one backup",
    ),
    Symptom(
        ("app block height", "is too far below block store base"), "engine.ledger_lost",
        "the engine has pruned the blocks that the ledger lacks: restore the ledger, or let the node join anew by a snapshot",
    ),
    Symptom(("CONSENSUS FAILURE", "no space left on device"), "engine.disk_full", _DISK_FULL),
    Symptom(
        ("CONSENSUS FAILURE", "too far in the future"), "engine.clock_behind",
        "the clock of this machine is behind that of the others by more than a minute; set it, and start the node again",
    ),
    Symptom(
        ("found signature from the same key",), "engine.key_elsewhere",
        "another node has signed one of the last blocks with this validator's key. Stop that node for good, wait for ten blocks, "
        "and start this one again",
    ),
    Symptom(
        ("CONSENSUS FAILURE",), "engine.consensus_failure",
        "see engine.log for its last lines, and report them; `traco node compare` shows whether the states of two nodes differ",
    ),
)  # fmt: skip
"""Nothing of this is cured by a restart. The first that fits counts."""

_HINTS: Final = (
    Symptom(
        ("address already in use",), "engine.port_in_use",
        "another program has the port of the engine; stop it, or choose engine.p2p_port in node.json",
    ),
    Symptom(
        ("cannot assign requested address",), "engine.port_in_use",
        "engine.p2p_host in node.json is no address of this machine",
    ),
    Symptom(
        ("resource temporarily unavailable",), "engine.folder_in_use", "another engine works in the same folder; stop it",
    ),
    Symptom(("cannot be started",), "engine.cannot_start", "install it anew: traco engine install"),
    Symptom(("no space left on device",), "engine.disk_full", _DISK_FULL),
)  # fmt: skip
"""What an engine that ends again and again may suffer from."""


def plain(line: str) -> str:
    """A line without colours."""
    return _COLOURS.sub("", line)


def fatal(line: str) -> tuple[str, str] | None:
    """Code and text (what happened, what to do) where a line says that the engine cannot go on.

    Fields of an entry may hold what strangers said, such as the name of their network; so its own words have to begin it.
    """
    entry = _ENTRY.match(line)
    said = line if entry is None else entry[1]
    return _judged(line, tuple(symptom for symptom in FATAL if symptom.texts[0] in said))


def explained(lines: list[str]) -> tuple[str, str]:
    """Code and text for an engine that ends again and again, by its last lines."""
    for line in reversed(lines):
        found = _judged(line, _HINTS)
        if found is not None:
            return found
    errors = [line for line in lines if line.startswith(("E[", "panic:", "ERROR"))]
    said = (errors or lines or ["nothing"])[-1]
    return "engine.keeps_ending", f"{_cut(said)}: see engine.log"


def _judged(line: str, symptoms: tuple[Symptom, ...]) -> tuple[str, str] | None:
    for symptom in symptoms:
        if all(text in line for text in symptom.texts):
            found = _ERROR_FIELD.search(line)
            said = (found[1] or found[2]) if found else line
            return symptom.code, f"{_cut(said)}: {symptom.advice}"
    return None


def _cut(text: str) -> str:
    text = text.replace("\\n", " ").strip()
    return text if len(text) <= CUT else f"{text[:CUT]}..."
