"""What a process that verifies signatures begins with. It loads no more than that: such processes are started often."""

from traco.kernel import crypto
from traco.kernel.instruction import KernelParameters
from traco.kernel.screening import DirectScreener
from traco.modules.composition import compose


def make_screener(limits: KernelParameters) -> DirectScreener:
    """The screener that each verifier process makes for itself."""
    crypto.check_library()
    return DirectScreener(compose().body, limits)
