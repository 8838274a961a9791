"""A chain of headers that named keys sign: for forging what no real network signs. And what a real one signed."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from support.engine_signatures import sign_for_the_engine
from support.ledger import START_MS, Key
from traco.kernel.genesis import Genesis, SealTerms, network_id, parse_genesis
from traco.kernel.light import (
    BlockId,
    Commit,
    Handover,
    Header,
    LightBlock,
    Moment,
    SignedHeader,
    Validator,
    ValidatorSet,
    Vote,
    address,
    chain_id,
    decode_light_block,
    header_hash,
    in_order,
    sign_bytes,
    validators_hash,
)
from vectors.make_light_vectors import FILE

Powers = Mapping[str, int]

FOUNDERS: Final[Powers] = {"ann": 10, "ben": 10, "cas": 10, "dot": 10}
NO_BLOCK: Final = BlockId(b"", 0, b"")

RECORDED: Final[dict[str, Any]] = json.loads(FILE.read_bytes())
REAL_GENESIS: Final = parse_genesis(json.dumps(RECORDED["genesis"]).encode())
REAL_CHAIN: Final = chain_id(network_id(REAL_GENESIS))
REAL: Final[dict[int, LightBlock]] = {
    int(height): decode_light_block(bytes.fromhex(raw)) for height, raw in RECORDED["blocks"].items()
}
"""What four nodes of CometBFT signed, by height (``vectors/light.json``)."""


def light_genesis(powers: Powers = FOUNDERS, **changes: Any) -> Genesis:
    """A genesis that these validators found, by name."""
    nodes = [
        {"role": "validator", "consensus": Key(name).public.hex(), "power": power}
        for name, power in powers.items()
    ]
    terms: dict[str, Any] = {
        "name": "Light", "purpose": "test", "time_ms": START_MS, "seal": SealTerms("cometbft", ""),
        "modules": {"network": {"nodes": nodes}}, **changes,
    }  # fmt: skip
    return Genesis(**terms)


def set_of(powers: Powers) -> ValidatorSet:
    """The validator set of these names."""
    return in_order(Validator(Key(name).public, power) for name, power in powers.items())


def vote_of(
    name: str, header: Header, commit: Commit, *, for_block: bool = True, signer: str = "", odd: bool = False
) -> Vote:
    """The vote of a validator on a commit; ``signer``: whose key signs instead; ``odd``: as only the engine accepts it."""
    unsigned = Vote(for_block, address(Key(name).public), Moment(header.time.seconds + 1, 7), bytes(64))
    key, message = Key(signer or name), sign_bytes(header.chain, commit, unsigned)
    signature = sign_for_the_engine(key.seed, message) if odd else key.sign(message)[1:]
    return msgspec.structs.replace(unsigned, signature=signature)


class LightChain:
    """Makes headers of one chain. Heights and times need not be in order: that is for the verifier to notice."""

    def __init__(self, chain: str) -> None:
        self.chain = chain

    def header(self, height: int, powers: Powers, following: Powers | None = None, **changes: Any) -> Header:
        """The header at a height: signed by ``powers``, who hand over to ``following`` if it is given."""
        names = {
            name: sha256(f"{name} {height}".encode()).digest()
            for name in ("last_commit_hash", "data_hash", "consensus_hash", "app_hash", "last_results_hash", "evidence_hash")
        }  # fmt: skip
        fields: dict[str, Any] = {
            "block_protocol": 11, "app_protocol": 2, "chain": self.chain, "height": height,
            "time": Moment(START_MS // 1_000 + height, height * 1_000_001),
            "last_block": BlockId(sha256(b"%d" % (height - 1)).digest(), 1, sha256(b"parts").digest()),
            "validators_hash": validators_hash(set_of(powers)),
            "next_validators_hash": validators_hash(set_of(powers if following is None else following)),
            "proposer": address(Key(next(iter(powers))).public), **names, **changes,
        }  # fmt: skip
        return Header(**fields)

    def signed(
        self, header: Header, powers: Powers, *, absent: Iterable[str] = (), against: Iterable[str] = (),
        forged: Iterable[str] = (), odd: Iterable[str] = (), round_: int = 0,
    ) -> SignedHeader:  # fmt: skip
        """The header with a commit: but for those ``absent``, voting for no block, or whose signature is another's.

        ``odd``: who signs so that the engine accepts it and the ledger's rule for transactions would not.
        """
        missing, nil, wrong, strange = tuple(absent), tuple(against), tuple(forged), tuple(odd)
        commit = Commit(header.height, round_, BlockId(header_hash(header), 1, sha256(b"parts").digest()), ())
        names = {Key(name).public: name for name in powers}
        votes = []
        for validator in set_of(powers):
            name = names[validator.key]
            signer = "mallory" if name in wrong else name
            vote = vote_of(
                name, header, commit, for_block=name not in nil, signer=signer, odd=name in strange
            )
            votes.append(None if name in missing else vote)
        return SignedHeader(header, msgspec.structs.replace(commit, votes=tuple(votes)))

    def block(
        self, height: int, powers: Powers = FOUNDERS, following: Powers | None = None, **signing: Any
    ) -> LightBlock:
        """A light block that everybody in ``powers`` signed, but for what ``signing`` says."""
        signed = self.signed(self.header(height, powers, following), powers, **signing)
        return LightBlock(signed, set_of(powers), set_of(powers if following is None else following))

    def handover(self, height: int, powers: Powers, following: Powers, **signing: Any) -> Handover:
        """A handover at a height."""
        block = self.block(height, powers, following, **signing)
        return Handover(block.signed, block.next_validators)


def edited(block: LightBlock, edit: Callable[[SignedHeader], SignedHeader]) -> LightBlock:
    """The light block with another signed header."""
    return msgspec.structs.replace(block, signed=edit(block.signed))


def with_header(signed: SignedHeader, **changes: Any) -> SignedHeader:
    """The signed header with other fields in the header, and the commit as it was."""
    return SignedHeader(msgspec.structs.replace(signed.header, **changes), signed.commit)


def with_commit(signed: SignedHeader, **changes: Any) -> SignedHeader:
    """The signed header with other fields in the commit."""
    return SignedHeader(signed.header, msgspec.structs.replace(signed.commit, **changes))


def with_vote(signed: SignedHeader, place: int, vote: Vote | None) -> SignedHeader:
    """The signed header with another vote at a place."""
    votes: Sequence[Vote | None] = signed.commit.votes
    return with_commit(signed, votes=(*votes[:place], vote, *votes[place + 1 :]))
