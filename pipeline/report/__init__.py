"""The report of a run: one page that shows what was learned and what the images are like."""
