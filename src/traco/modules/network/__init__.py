"""The network: which nodes take part in the engine, who orders with which power, and where they stand."""
