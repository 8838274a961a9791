"""Settlement: batches of instructions between parties that settle all or none, such as delivery versus payment."""
