"""The side that runs the actions: takes groups of events from RQ, runs what matches, records each run."""
