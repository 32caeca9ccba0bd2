"""The tasks API: each user reads and writes only their own tasks."""
