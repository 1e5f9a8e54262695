"""The feature store: rows of feature matrices on disk, each under its image's bytes."""
