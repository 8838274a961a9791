"""Who holds sealed payloads, durably and for others: keeping, receipts for it, and getting payloads back."""
