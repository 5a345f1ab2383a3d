"""What would break Hookline, done to it on purpose, on loopback and by a seed."""
