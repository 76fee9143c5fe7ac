"""What a job would cost, without running it."""
