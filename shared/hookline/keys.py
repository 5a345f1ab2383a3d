"""Every Redis key that is Hookline's own.

| key | what |
| --- | --- |
| `hookline:event:<id>` | hash: the delivery as it came, its state, one `run:<action>` field a run |
| `hookline:index` | set: the `<source>/<type>` that there are; the type is empty until it is read |
| `hookline:events:<source>/<type>` | sorted set: ids by received_at in ms |
| `hookline:open` | set: ids of unfinished events |
| `hookline:done:<source>` | sorted set: events whose runs all succeeded, by when they finished, in ms |
| `hookline:dead:<source>` | sorted set: dead letters by when they died, in ms |
| `hookline:failure:<group>` | sorted set: dead letters of one action and error, by when they died, in ms |
| `hookline:failures` | hash: `{"action", "error"}` by group |
| `hookline:dedupe:<source>:…` | hash: the id of the first by the hash of its key; lives for two windows |
| `hookline:lease:<token>` | string: lives while the owner of that token does |
| `hookline:counters` | hash: totals since the beginning, see `docs/architecture.md` |
| `hookline:minute:<n>` | hash: the same for one minute, the n-th since 1970; lives for 26 hours |
| `hookline:rejected:<source>` | list: the latest refused deliveries, as JSON |
| `hookline:receiver:<name>` | hash: what a receiver process says of itself; lives for 15 s |
| `hookline:receivers` | sorted set: names of receivers by when they were heard of last |
| `hookline:tally:<name>` | string: the number of a receiver's latest flush of its counts; lives for an hour |
| `hookline:secrets` | hash: since when a source has the secrets that it has |
| `hookline:paused` | hash: lanes that are left alone, by since when, in ms |
| `hookline:lanes` | sorted set: lanes of waiting jobs by when they had their last turn |
| `hookline:jobs` | set: ids of the RQ jobs that there are |
| `hookline:replays` | sorted set: ids of bulk replays by when they were asked for, in ms |
| `hookline:replay:<id>` | hash: a bulk replay, its filter and how far it is; lives for 7 days after its end |
| `hookline:replay:<id>:ids` | list: ids of the events that it has still to do |
| `hookline:reconciler` | string: the worker that looks for what got lost, purges, and feeds bulk replays |
| `hookline:session:<hash>` | hash: a login to the console; lives for as long as it holds |
| `hookline:logins:<address>` | string: failed logins of late |
| `hookline:alarms` | hash: what was told when, and what is to be told yet |
| `hookline:watchman` | string: the process that raises the alarms |
| `hookline:tick`, `hookline:stuck` | the every-second work of the workers |
| `hookline:grace` | lives for some seconds after Redis was away: no lease counts as over |
| `hookline:acknowledged` | what is written so that replicas, or the disk, can be waited for |
| `hookline:ready` | what a receiver writes to see whether Redis takes writes |
"""

from __future__ import annotations

EVENT_PREFIX = "hookline:event:"
INDEX_KEY = "hookline:index"
EVENTS_PREFIX = "hookline:events:"
"""With `<source>/<type>` behind it."""
OPEN_KEY = "hookline:open"
DONE_PREFIX = "hookline:done:"
DEAD_PREFIX = "hookline:dead:"
FAILURE_PREFIX = "hookline:failure:"
FAILURES_KEY = "hookline:failures"
LEASE_PREFIX = "hookline:lease:"
DEDUPE_PREFIX = "hookline:dedupe:"
COUNTERS_KEY = "hookline:counters"
MINUTE_PREFIX = "hookline:minute:"
REJECTED_PREFIX = "hookline:rejected:"
RECEIVER_PREFIX = "hookline:receiver:"
RECEIVERS_KEY = "hookline:receivers"
TALLY_PREFIX = "hookline:tally:"
SECRETS_KEY = "hookline:secrets"
PAUSED_KEY = "hookline:paused"
LANES_KEY = "hookline:lanes"
JOBS_KEY = "hookline:jobs"
REPLAYS_KEY = "hookline:replays"
REPLAY_PREFIX = "hookline:replay:"
RECONCILER_KEY = "hookline:reconciler"
SESSION_PREFIX = "hookline:session:"
LOGINS_PREFIX = "hookline:logins:"
ALARMS_KEY = "hookline:alarms"
WATCHMAN_KEY = "hookline:watchman"
TICK_KEY = "hookline:tick"
STUCK_KEY = "hookline:stuck"
GRACE_KEY = "hookline:grace"
OPEN_COUNTER = "open:"
"""With a source's name behind it: how many of its events are unfinished."""
