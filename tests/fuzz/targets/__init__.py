"""The targets: one file each, with ``check(raw, folder)``, which raises where the property named at its head does not hold.

Some also have ``mutate(raw, chance)``: they take a sample apart, change one place and put it together again, so that what is
behind checksums, signatures and compression is reached. ``folder`` is an empty one that the target may use.
"""

from typing import Final

TARGETS: Final[dict[str, tuple[str, ...]]] = {
    "abci": ("traco.engine.cometbft.abci",),
    "addresses": ("traco.cli.names", "traco.client.private_file"),
    "backup": ("traco.node.backup",),
    "channel_disclosure": ("traco.channels.disclosing",),
    "channel_receipt": (
        "traco.client.channel_receipts",
        "traco.kernel.finality",
        "traco.modules.channel.digests",
    ),
    "channel_total": ("traco.channels.disclosing.total", "traco.kernel.stateproof"),
    "checkpoint": ("traco.kernel.seal",),
    "codec": ("traco.kernel.codec", "fuzz.strict"),
    "configuration": ("traco.node.configuration", "traco.node.api.settings"),
    "custody": ("traco.channels.custody", "traco.kernel.codec"),
    "deal": ("traco.cli.deal_files", "traco.client.channel_deals", "traco.client.forms"),
    "envelope": ("traco.kernel.codec", "traco.kernel.screening", "traco.kernel.transaction"),
    "evidence": ("traco.kernel.light",),
    "export": ("traco.node.transfer",),
    "fields": ("traco.services.doc",),
    "founding": ("traco.node.founding",),
    "genesis": ("traco.kernel.genesis", "traco.kernel.founding", "traco.modules.party.genesis"),
    "invoice": ("traco.services.doc",),
    "keystore": ("traco.client.keystore_file", "traco.client.signer"),
    "payload": ("traco.channels.sealing", "traco.kernel.codec"),
    "receipt": ("traco.kernel.finality", "traco.kernel.codec", "traco.kernel.merkle", "traco.kernel.seal"),
    "signers": ("traco.client.signers.signer_file", "traco.client.private_file"),
    "snapshot": ("traco.storage.copying",),
    "snapshot_head": ("traco.storage.copying.form", "traco.kernel.codec", "traco.kernel.merkle"),
    "token": ("traco.client.access", "traco.kernel.codec"),
    "transaction": ("traco.kernel.codec", "traco.kernel.screening", "traco.kernel.transaction"),
}
"""Each target with the modules whose branches guide the fuzzer."""
