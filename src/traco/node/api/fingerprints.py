"""The fingerprint service's route: this node keys normalised invoice fields for those who may ask."""

import asyncio
from typing import Any, Final

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from traco.client.forms import to_form
from traco.node.api.admission import Admits, admits
from traco.node.api.principals import AccessDenied, Principal, principal_of
from traco.node.api.problems import Problem
from traco.node.api.transactions import require_exact
from traco.services.doc.invoice import InvoiceUnreadable
from traco.services.doc.normalise import InvoiceFields
from traco.services.doc.service import FingerprintRefused, FingerprintService

_STATUS: Final = {
    "fingerprint.rate_limited": 429,
    "fingerprint.busy": 429,
    "fingerprint.log_unavailable": 503,
}


class FingerprintRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Normalised fields, the salted commitment to the file (hex), and whether the answer is meant for registration."""

    caller: str
    fields: InvoiceFields
    content_commitment: str
    register: bool = False


def fingerprint_route(service: FingerprintService) -> HTTPRouteHandler:
    """The route over a service of this process."""

    @post(
        "/v1/fingerprints",
        status_code=200, opt=admits(Admits.SUBMITTER), operation_id="makeFingerprints",
        summary="Key normalised invoice fields; answers are logged and limited",
    )  # fmt: skip
    async def fingerprints(
        request: Request[Any, Any, Any], data: JSONBody[FingerprintRequest]
    ) -> dict[str, Any]:
        await require_exact(request, FingerprintRequest)
        _require_own(principal_of(request), data.caller)
        try:
            commitment = bytes.fromhex(data.content_commitment)
            # in a thread: an answer waits for its line in the log to be on disk
            signed = await asyncio.to_thread(
                service.key_fields, data.caller, data.fields, commitment, data.register
            )
        except FingerprintRefused as refused:
            raise Problem(_STATUS.get(refused.code, 400), refused.code, refused.detail) from None
        except (InvoiceUnreadable, ValueError) as error:
            raise Problem(400, getattr(error, "code", "request.invalid"), str(error)) from None
        form: dict[str, Any] = to_form(signed)
        return form

    return fingerprints


def _require_own(principal: Principal, caller: str) -> None:
    """Answers are logged and limited by caller: nobody asks in another's name. Raises ``AccessDenied``."""
    if principal.party is not None and caller != principal.party.hex():
        raise AccessDenied(
            "access.other_party", "the caller is not the party of the access token",
            "Give the id of your own party (in hex) as caller.", 403,
        )  # fmt: skip
