"""What the engine of a node is told, before there is one."""

from traco.kernel.instruction import KernelParameters
from traco.modules.network.parameters import NetworkParameters
from traco.node.cluster import engine_terms


def test_the_engine_takes_envelopes_as_long_as_founded_whatever_limit_was_in_force_when_it_started() -> None:
    agreed = NetworkParameters(empty_block_ms=4_000)
    terms = engine_terms(agreed, KernelParameters(max_envelope_bytes=2_097_152))
    assert (terms.max_envelope_bytes, terms.empty_block_ms) == (2_097_152, 4_000)
