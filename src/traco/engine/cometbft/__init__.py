"""CometBFT as the engine: Byzantine-fault-tolerant ordering among nodes of organisations that do not trust each other."""
