"""RQ. `fill N`, then `forking` (its Worker, a fork for each job) or `simple` (its SimpleWorker, none).

A worker script of one's own rather than the `rq worker` command, as RQ's page on performance recommends:
the job's modules are imported once, before the first fork. Results are not kept.
"""

import itertools
import os
import sys

import jobs
from bodies import bodies
from redis import Redis
from rq import Queue, SimpleWorker, Worker

AT_ONCE = 1000


def main(command: str, count: str = "0", job: str = "parse_note") -> None:
    """Do what is asked."""
    redis = Redis.from_url(os.environ["BENCH_REDIS_URL"])
    queue = Queue("webhooks", connection=redis)
    if command == "fill":
        waiting = bodies(int(count))
        while group := list(itertools.islice(waiting, AT_ONCE)):
            function = getattr(jobs, job)
            queue.enqueue_many([Queue.prepare_data(function, (body,), result_ttl=0) for body in group])
        return
    kind = {"forking": Worker, "simple": SimpleWorker}[command]
    kind([queue], connection=redis).work(logging_level="WARNING")


main(*sys.argv[1:])
