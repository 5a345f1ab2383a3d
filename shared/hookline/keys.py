"""Every Redis key that is Hookline's own.

| key | what |
| --- | --- |
| `hookline:event:<id>` | hash: the delivery as it came, its state, one `run:<action>` field a run |
| `hookline:events` | sorted set: ids by received_at in ms |
| `hookline:open` | set: ids of unfinished events |
| `hookline:dead` | sorted set: dead letters by when they died, in ms |
| `hookline:purge` | sorted set: finished events by when they may be purged, in ms |
| `hookline:dedupe:<source>:…` | hash: the id of the first by the hash of its key; lives for two windows |
| `hookline:lease:<token>` | string: lives while the owner of that token does |
| `hookline:counters` | hash: `received:<source>`, `repeated:<source>`, `open:<source>`, `done`, `dead` |
| `hookline:lanes` | sorted set: lanes of waiting jobs by when they had their last turn |
| `hookline:jobs` | set: ids of the RQ jobs that there are |
| `hookline:reconciler` | string: the worker that looks for what got lost |
| `hookline:tick`, `hookline:stuck` | the every-second work of the workers |
| `hookline:grace` | lives for some seconds after Redis was away: no lease counts as over |
| `hookline:acknowledged` | what is written so that replicas, or the disk, can be waited for |
| `hookline:ready` | what a receiver writes to see whether Redis takes writes |
"""

from __future__ import annotations

EVENT_PREFIX = "hookline:event:"
LEASE_PREFIX = "hookline:lease:"
DEDUPE_PREFIX = "hookline:dedupe:"
EVENTS_KEY = "hookline:events"
OPEN_KEY = "hookline:open"
DEAD_KEY = "hookline:dead"
PURGE_KEY = "hookline:purge"
COUNTERS_KEY = "hookline:counters"
OPEN_COUNTER = "open:"
"""With a source's name behind it: how many of its events are unfinished."""
TICK_KEY = "hookline:tick"
STUCK_KEY = "hookline:stuck"
GRACE_KEY = "hookline:grace"
LANES_KEY = "hookline:lanes"
JOBS_KEY = "hookline:jobs"
RECONCILER_KEY = "hookline:reconciler"
