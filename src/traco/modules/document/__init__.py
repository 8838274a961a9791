"""Registration of documents without their content: uniqueness, confirmation, amendment, cancellation."""

from traco.modules.document.module import DocumentModule

__all__ = ["DocumentModule"]
