"""`python -m screenshots`: the pictures of the console in docs/, taken of the real one by a real Chromium."""
