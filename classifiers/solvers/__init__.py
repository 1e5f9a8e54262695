"""Solvers: how a loss is minimised."""
