"""A study that exists for tests only: tiny tasks that do what a test needs."""
