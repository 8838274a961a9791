"""What makes a channel's content unreadable to everybody else: keys, wrapped copies, sealed payloads, blinded digests."""
