"""The engine that orders on one machine."""
