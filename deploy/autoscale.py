#!/usr/bin/env python3
"""As many workers as the backlog asks for, with Docker Compose. Run it every minute, in the project's folder.

One worker for each so many events that could run now: up at once, down by one a minute and only where fewer
would have little to do, so that it doesn't go up and down. A worker that leaves finishes what it runs.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import math
import os
import shlex
import subprocess
import sys

ADMIN_PORT_OF_COMPOSE = 8081
ASK = f"""
import urllib.request
with urllib.request.urlopen("http://127.0.0.1:{ADMIN_PORT_OF_COMPOSE}/backlog", timeout=10) as answer:
    print(answer.read().decode())
"""


def workers_wanted(ready: int, running: int, *, least: int, most: int, events_per_worker: int) -> int:
    """How many workers there should be for `ready` events, `running` being there now.

    None running stays none: somebody has stopped them.
    """
    if running == 0:
        return 0
    needed = min(max(math.ceil(ready / events_per_worker), least), most)
    if needed >= running:
        return needed
    fewer = running - 1
    would_be_idle = ready <= fewer * events_per_worker / 2
    return fewer if would_be_idle or running > most else running


def main() -> None:
    """Look once, and scale if need be."""
    options = _options()
    project = os.open(".", os.O_RDONLY)  # held until we end; another project may be seen to
    try:
        fcntl.flock(project, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # the last look still waits for a worker that finishes what it runs
    _scale(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--least", type=int, default=1, help="never fewer workers than this (1)")
    parser.add_argument("--most", type=int, default=4, help="never more workers than this (4)")
    parser.add_argument("--events-per-worker", type=int, default=100, help="one worker for so many (100)")
    parser.add_argument("--compose", default="docker compose", help='an older one is "docker-compose"')
    options = parser.parse_args()
    if not 1 <= options.least <= options.most:
        parser.error(f"--least {options.least} has to be from 1 to --most {options.most}")
    if options.events_per_worker < 1:
        parser.error(f"--events-per-worker {options.events_per_worker} has to be 1 or more")
    return options


def _scale(options: argparse.Namespace) -> None:
    compose = shlex.split(options.compose)
    ready = json.loads(_run(*compose, "exec", "-T", "receiver", "python", "-c", ASK))["ready"]
    running = len(_run(*compose, "ps", "--quiet", "worker").split())
    wanted = workers_wanted(
        ready,
        running,
        least=options.least,
        most=options.most,
        events_per_worker=options.events_per_worker,
    )
    if wanted == running:
        return
    print(f"workers: {running} -> {wanted}, for {ready} events that could run now", flush=True)  # noqa: T201 (for cron)
    # of the worker alone: `up` without a name would bring every other service back to one container
    up = ["up", "--detach", "--no-deps", "--no-recreate", "--no-build"]
    _run(*compose, *up, "--scale", f"worker={wanted}", "worker")


def _run(*command: str) -> str:
    """What the command prints; ends this program where the command fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")  # noqa: S603 (no shell)
    except OSError as error:
        sys.exit(f"autoscale: {command[0]}: {error.strerror}; is Docker installed? See --compose")
    if done.returncode:
        what = shlex.join(part for part in command if part != ASK)
        sys.exit(f"autoscale: {what} ended with status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    main()
