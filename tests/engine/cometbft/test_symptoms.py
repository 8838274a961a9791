"""What the engine's lines mean: which say that it cannot go on, and what it died of when it keeps ending."""

import pytest

from traco.engine.cometbft.symptoms import CUT, explained, fatal, plain

# as CometBFT v0.39.4 writes them
DIVERGED = 'E[2026-11-21|15:57:51.960] CONSENSUS FAILURE!!!                        module=consensus err="+2/3 committed an invalid block: wrong Block.Header.AppHash.  Expected 0A, got 0B" stack="goroutine 1"'
SYNCING = 'E[2026-11-21|15:57:51.960] Error in validation                          module=blocksync height=7 hash=AB err="wrong Block.Header.AppHash.  Expected 0A, got 0B"'


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (DIVERGED, "engine.diverged"),
        (SYNCING, "engine.diverged"),
        ("panic: state.AppHash does not match AppHash after replay. Got", "engine.diverged"),
        ('E[] CONSENSUS FAILURE!!! module=consensus err="failed to apply block; error commit failed for application"', "engine.consensus_failure"),
        ('E[] CONSENSUS FAILURE!!! module=consensus err="write wal: no space left on device"', "engine.disk_full"),
        ("ERROR: error during handshake: app block height (9) is higher than core (3)", "engine.blocks_lost"),
        ("ERROR: app block height (0) is too far below block store base (50)", "engine.ledger_lost"),
    ],
)  # fmt: skip
def test_some_lines_say_that_the_engine_cannot_go_on(line: str, code: str) -> None:
    found = fatal(line)
    assert found is not None
    assert found[0] == code


def test_a_failure_says_what_happened_and_what_to_do() -> None:
    found = fatal(DIVERGED)
    assert found is not None
    assert found[1].startswith(
        "+2/3 committed an invalid block: wrong Block.Header.AppHash.  Expected 0A, got 0B: "
    )
    assert "traco node compare" in found[1]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "I[2026-11-21|15:57:51.960] service start module=proxy",
        # another validator's proposal: it is refused, and the network goes on
        'E[] prevote step: consensus deems this block invalid; prevoting nil module=consensus err="wrong Block.Header.AppHash.  Expected 0A, got 0B"',
        # a stranger says so: whoever reaches the port names a network as it likes, and the engine writes it down
        'I[2026-11-21|15:57:51.960] Inbound Peer rejected                        module=p2p err="incompatible: peer is on a different network. Got CONSENSUS FAILURE!!!, expected traco-1" numPeers=3',
        'E[] Error dialing peer module=p2p err="Got app block height is higher than core; does not match app\'s AppHash"',
        'I[] Inbound Peer rejected module=p2p err="Got E[] CONSENSUS FAILURE!!! module=consensus, expected"',
        # a peer that sends what nobody signed
        'E[] Error in validation module=blocksync height=7 err="wrong signature (#0): AB"',
    ],
)  # fmt: skip
def test_what_another_node_did_wrong_does_not_stop_this_one(line: str) -> None:
    assert fatal(line) is None


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["I[] a", "ERROR: failed to listen: listen tcp 127.0.0.1:1: bind: address already in use", "I[] b"], "engine.port_in_use"),
        (["ERROR: bind: cannot assign requested address"], "engine.port_in_use"),
        (["panic: write wal: no space left on device"], "engine.disk_full"),
        (["ERROR: engine cannot be started: Permission denied"], "engine.cannot_start"),
        (["panic: resource temporarily unavailable"], "engine.folder_in_use"),
        (["panic: something else", "goroutine 1 [running]:"], "engine.keeps_ending"),
        ([], "engine.keeps_ending"),
    ],
)  # fmt: skip
def test_the_last_lines_explain_an_engine_that_keeps_ending(lines: list[str], code: str) -> None:
    assert explained(lines)[0] == code


def test_of_the_last_lines_the_error_is_shown() -> None:
    lines = ["I[] begin", "panic: what it was", "goroutine 1 [running]:", "main.main()"]
    assert explained(lines)[1] == "panic: what it was: see engine.log"


def test_a_long_error_is_cut() -> None:
    found = fatal(f'CONSENSUS FAILURE err="{"x" * 5_000}"')
    assert found is not None
    assert len(found[1]) < CUT + 250


def test_colours_are_taken_away() -> None:
    assert plain("\x1b[31;1mE[\x1b[0m] text\x1b[m") == "E[] text"
