"""Sessions: resident engine processes that hold something loaded and answer calls within the second."""
