"""Users' tables: read, cleaned, sampled, streamed in parts."""
