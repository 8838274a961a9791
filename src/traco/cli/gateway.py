"""``traco gateway``: whether the gateways of a network say what its validators signed."""

from typing import Any

from traco.cli.command import command, group
from traco.cli.problems import CommandProblem, ExitCode
from traco.cli.session import Reading
from traco.cli.times import readable_time

app = group("Hold what gateways say against what validators signed.")


@command(
    app, "check",
    examples=["traco gateway check --url https://gateway.bank-a.example,https://gateway.bank-b.example"],
)  # fmt: skip
def check(session: Reading) -> None:
    """Compare the newest blocks of gateways: validly signed, the same everywhere, and news.

    What is verified is kept for the next time. Two validly signed blocks of one height are kept as evidence. Ends with
    exit code 5 where a gateway is behind, does not answer, or lies.
    """
    heads = session.client.compare()
    rows: list[dict[str, Any]] = [head.form() for head in heads]
    if session.output.as_json:
        session.output.record({"gateways": rows})
    else:
        shown = [
            {**row, "block_time": readable_time(row["time_ms"]) if row["height"] else "", "behind_s": row["behind_ms"] // 1_000,
             "found": "as the others" if row["fault"] is None else row["fault"]["code"]}
            for row in rows
        ]  # fmt: skip
        session.output.rows("gateways", shown, ("url", "height", "block_time", "behind_s", "found"))
    faults = [head.fault for head in heads if head.fault is not None]
    if faults:
        first = faults[0]
        raise CommandProblem(ExitCode.NODE, first.code, first.detail, first.fields)
