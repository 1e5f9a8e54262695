"""Batch jobs: folders of images -> cached feature matrices -> trained classifiers -> scores."""
