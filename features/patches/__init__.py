"""Patches of images, described by HOG."""
