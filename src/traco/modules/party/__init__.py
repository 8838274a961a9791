"""Who takes part: parties, their keys and signing policies, members, nodes, the council and granted roles."""
