"""Settings for all tests."""

import os

# The references of the tests multiply matrices too. Several BLAS threads for each process of the
# tests would wait for each other on a busy machine. NumPy reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
