"""`hookline dev`: everything on this machine, plugins loaded as they are saved, events in the terminal."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hookline.cli.following import Follower
from hookline.cli.lines import event_line, print_log
from hookline.cli.options import Config
from hookline.cli.route import DEV_SECRET
from hookline.environment import CONFIG_VARIABLE
from hookline.errors import SettingsError
from hookline.live import Live
from hookline.service import ServiceError
from hookline.settings import Settings, load_settings
from hookline.workbench import Workbench

FOLDER = Path(".hookline/dev")
LOOK_SECONDS = 0.25
DEV_SOURCES = {
    "HOOKLINE_SOURCES__MISSKEY__PROVIDER": "misskey",
    "HOOKLINE_SOURCES__MISSKEY__SECRETS": '["env:DEV_SECRET"]',
    "HOOKLINE_SOURCES__ESA__PROVIDER": "esa",
    "HOOKLINE_SOURCES__ESA__SECRETS": '["env:DEV_SECRET"]',
    "DEV_SECRET": DEV_SECRET,
}


def dev(
    config: Config = None,
    port: Annotated[
        int | None, typer.Option(help="The port for deliveries, instead of the settings'.")
    ] = None,
) -> None:
    """Run everything here, on the embedded Redis; saved plugins are loaded anew. Ctrl-C ends it."""
    if importlib.util.find_spec("watchfiles") is None:
        raise SettingsError(
            "watchfiles is not installed here; pip install 'hookline[receiver,worker,embedded]'"
        )
    settings = load_settings(config)
    environment = _environment(settings, config, port)
    console = Console()
    with Workbench(
        FOLDER,
        queue=settings.worker.queue,
        environment=environment,
        on_log=lambda line: print_log(console, line),
    ) as bench:
        live = Live(bench.store)
        _say_where(console, bench, settings)
        console.print(bench.start_console(), highlight=False, markup=False, soft_wrap=True)
        _start_worker(console, bench)
        follow(console, bench, live, settings.worker.plugins)


def follow(console: Console, bench: Workbench, live: Live, plugins: tuple[str, ...]) -> None:
    """Print events as they change, and restart the worker when a plugin is saved, until Ctrl-C."""
    follower = Follower(live, console)
    saved, stop = threading.Event(), threading.Event()
    places = [place for place in plugins if Path(place).exists()]
    if places:
        threading.Thread(target=_watch_files, args=(places, saved, stop), daemon=True).start()
    try:
        while True:
            if saved.wait(LOOK_SECONDS):
                saved.clear()
                console.print("plugins were saved; the worker loads them anew", style="dim")
                bench.stop_worker()
                _start_worker(console, bench)
            for seen in follower.look():
                console.print(event_line(seen), soft_wrap=True)
    except KeyboardInterrupt:
        console.print("stopping", style="dim")
    finally:
        stop.set()


def _start_worker(console: Console, bench: Workbench) -> None:
    try:
        bench.start_worker()
    except ServiceError as error:
        console.print(str(error), style="red", markup=False)
        console.print("the worker waits for you to save the plugin again; events wait with it", style="dim")


def _watch_files(places: list[str], saved: threading.Event, stop: threading.Event) -> None:
    import watchfiles  # of the extra `embedded`, which no other command needs

    for _ in watchfiles.watch(*places, watch_filter=watchfiles.PythonFilter(), stop_event=stop):
        saved.set()


def _environment(settings: Settings, config: Path | None, port: int | None) -> Mapping[str, str]:
    """The settings' own values, made safe for one machine; two sources for trying out if there is none."""
    environment = {} if settings.sources else dict(DEV_SOURCES)
    if config is not None:
        environment[CONFIG_VARIABLE] = str(config.absolute())
    if port is not None:
        environment["HOOKLINE_RECEIVER__PORT"] = str(port)
    environment["HOOKLINE_RECEIVER__ADMIN_PORT"] = "0"
    return environment


def _say_where(console: Console, bench: Workbench, settings: Settings) -> None:
    lines = ["deliveries go to"]
    lines += [f"  {bench.receiver_url}/hooks/{name}" for name in settings.sources or ("misskey", "esa")]
    if not settings.sources:
        lines.append(f"  (no source is configured, so these two take the secret {DEV_SECRET})")
    for place in settings.worker.plugins:
        lines.append(f"plugins {'are in' if Path(place).exists() else 'go into'} {place}")
    lines.append(f"other commands see its events with HOOKLINE_REDIS__URL={bench.redis_url}")
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
