"""What a job file names, found and checked: its model and its corpus. Runs, `plan` and `verify` share it."""
