"""A real node, killed once under load."""

from torture.processes import torture_processes
from torture.report import Counts, Progress


def test_killed_node_keeps_what_it_acknowledged_and_the_audit_finds_nothing() -> None:
    counts = Counts()
    torture_processes("bounded", counts, 0.5, Progress("processes", quiet=True))
    ended = (
        counts["disturbance: node process killed with signal 9"],
        counts["disturbance: node process stopped in order"],
    )
    audited = counts["work: transactions executed again by the audit"]
    assert (ended, audited) == ((1, 1), counts["work: transactions compared"])
