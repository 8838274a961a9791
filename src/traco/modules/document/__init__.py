"""Registration of documents without their content: uniqueness, confirmation, amendment, cancellation."""
