"""Fuzzers of everything that reads bytes from outside, each with the property that it checks (`docs/development.md`)."""
