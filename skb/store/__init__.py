"""What is known of a machine, on disk: a log of transactions, and a snapshot of what the oldest of them came to."""
