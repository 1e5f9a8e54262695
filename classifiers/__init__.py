"""Linear classifiers: matrix -> labels."""
