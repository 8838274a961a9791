"""The node's part in confidential channels: a process of its own that does the business of the seats that the node has."""
