"""Image features: image -> vector."""
