"""A node: what puts kernel, modules, storage and engine together and opens them to the outside."""
