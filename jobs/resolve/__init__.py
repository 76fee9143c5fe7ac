"""What a job file names, found and checked: its model, its corpus, its rules for texts."""
