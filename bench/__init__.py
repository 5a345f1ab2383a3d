"""The bench: Hookline and what people would use instead, in turn, on one machine, in one go."""
