"""The one training loop, its schedules and what it records of every step."""
