"""What runs produce and consume: references, versions, kinds."""
