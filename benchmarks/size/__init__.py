"""Jobs of many images: each trial prints what was counted, and time and memory."""
