"""Jobs under bad conditions: each trial prints how often what was asked for happened."""
