"""What a founder has to look at before he signs: who is in the network, who orders, who decides, and what hangs on whom."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from traco.kernel.genesis import Genesis, network_id
from traco.modules.network.shares import goes_on_without, share_ppm
from traco.node.founding.documents import FoundingInvalid

UNSTATED: Final = "(not stated)"


class Share(NamedTuple):
    """What hangs on one provider, region or operator: validators, voting power, and what happens when all of it is gone."""

    kind: str
    name: str
    nodes: int
    validators: int
    power: int
    power_ppm: int
    lost: str

    def form(self) -> dict[str, Any]:
        """As plain values."""
        return self._asdict()


class Powered(NamedTuple):
    """What a share is counted from: a node's power (0: an observer) and its placement by kind."""

    power: int
    placement: Mapping[str, str]


def review(genesis: Genesis) -> dict[str, Any]:
    """Everything that a founder must check, as plain values. Raises ``FoundingInvalid`` for a genesis that is no cluster's."""
    try:
        party, nodes = genesis.modules["party"], genesis.modules["network"]["nodes"]
        members, council = party["members"], party["council"]
        powers = [int(node["power"]) for node in nodes]
        names = [member["name"] for member in members]
        chosen = [_named(entry, names) for entry in council["members"]]
        return {
            "network": network_id(genesis).hex(), "name": genesis.name, "purpose": genesis.purpose,
            "time": f"{datetime.fromtimestamp(genesis.time_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC",
            "protocol": genesis.protocol,
            "decisions": f"{council['threshold']} of {len(council['members'])} members of the council",
            "tolerates": tolerance(powers),
            "members": [_member_line(member, chosen) for member in members],
            "nodes": [_node_line(node, names, sum(powers)) for node in nodes],
            "placement": [
                share.form() for share in shares([Powered(node["power"], node["placement"]) for node in nodes])
            ],
            "fingerprint_service": _service(genesis),
            "other_sections": sorted(genesis.modules.keys() - {"party", "network", "document"}),
            "parameters": genesis.parameters,
        }  # fmt: skip
    except (LookupError, TypeError, ValueError, AttributeError):
        raise FoundingInvalid(
            "founding.genesis_invalid",
            "the genesis does not say who its members and nodes are; it must come from: traco network assemble",
        ) from None


def tolerance(powers: Sequence[int]) -> str:
    """In words, how much a network with these voting powers can lose and still go on."""
    total = sum(powers)
    lost, count = 0, 0
    for power in sorted((power for power in powers if power), reverse=True):
        lost += power
        if not goes_on_without(lost, total):
            break
        count += 1
    if count == 0:
        return "no fault: when any one validator stops, nothing is ordered until it is back"
    return f"any {count} of {sum(1 for power in powers if power)} validators may stop or lie"


def shares(nodes: Sequence[Powered]) -> list[Share]:
    """What hangs on each provider, region and operator; the greatest power first."""
    total = sum(node.power for node in nodes)
    found: list[Share] = []
    for kind in ("provider", "region", "operator"):
        names = sorted({node.placement.get(kind) or UNSTATED for node in nodes})
        rows = []
        for name in names:
            of_it = [node for node in nodes if (node.placement.get(kind) or UNSTATED) == name]
            power = sum(node.power for node in of_it)
            validators = sum(1 for node in of_it if node.power)
            ppm = share_ppm(power, total)
            rows.append(Share(kind, name, len(of_it), validators, power, ppm, what_is_lost(power, total)))
        found += sorted(rows, key=lambda share: (-share.power, share.name))
    return found


def what_is_lost(power: int, total: int) -> str:
    """In words, what happens when validators of this power are gone, or obey somebody else."""
    if power == 0:
        return "no voting power"
    if goes_on_without(power, total):
        return "the network goes on"
    if 3 * power <= 2 * total:
        return "the network stops until it is back"
    return "the network stops; whoever controls it decides alone"


def percent(ppm: int) -> str:
    """A share for people."""
    return f"{ppm // 10_000}.{ppm % 10_000 // 1_000} %"


def _member_line(member: Mapping[str, Any], council: Sequence[Any]) -> dict[str, Any]:
    return {
        "name": member["name"], "country": member.get("country") or "",
        "identifiers": ", ".join(f"{scheme}:{value}" for scheme, value in member.get("identifiers", ())),
        "council": member["name"] in council, "keys": [entry["key"] for entry in member["keys"]],
        "nodes": len(member.get("nodes", ())), "roles": list(member.get("roles", ())),
    }  # fmt: skip


def _named(given: Any, names: Sequence[str]) -> Any:
    """The name of a member, whom a genesis may also give by his place among the members."""
    return dict(enumerate(names)).get(given, given)


def _node_line(node: Mapping[str, Any], names: Sequence[str], total: int) -> dict[str, Any]:
    return {
        "member": _named(node["member"], names), "role": node["role"], "power": node["power"],
        "power_ppm": share_ppm(node["power"], total), "key": node["key"],
        "consensus": node["consensus"], "peer": node["peer"], "address": node["address"],
        "gateway": node["gateway"], **node["placement"],
    }  # fmt: skip


def _service(genesis: Genesis) -> list[str]:
    """The signing keys of the fingerprint service."""
    return [entry["key"] for entry in genesis.modules.get("document", {}).get("fingerprint_keys", ())]
