"""A member's part in its channels: it follows the root, seals, collects receipts, executes, attests, fetches, rebuilds.

What it knows is derived, but for the keys and the payloads that it holds: those are durable before anything relies on them.
"""
