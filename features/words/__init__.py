"""Vocabularies of visual words, and bags of them."""
