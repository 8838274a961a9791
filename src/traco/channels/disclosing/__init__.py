"""Showing a period of a channel to somebody outside on purpose: the file, and what an auditor finds by executing it again."""
