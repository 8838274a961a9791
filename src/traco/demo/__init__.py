"""The demonstration: a real invoice financed and settled, end to end, on one machine, against a real node."""
