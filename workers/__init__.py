"""Worker processes: which queue serves what, and what the activities are wired to."""
