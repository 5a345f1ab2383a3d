"""The console as a browser meets it: a process over the bench's Redis, and somebody who is logged in."""

from __future__ import annotations

import http.client
import json
import sys
import time
from typing import Self
from urllib.parse import urlencode, urlsplit

from bench.contest import NotMeasuredError
from bench.ours import Ours
from bench.processes import Process
from hookline.workbench import CONSOLE_READY

PASSWORD = "for the bench alone"  # noqa: S105 (it guards nothing)
_VARIABLE = "BENCH_CONSOLE_PASSWORD"
_PATIENCE_SECONDS = 60.0


class Console(Process):
    """A console on a free port."""

    def __init__(self, ours: Ours) -> None:
        environment = ours.environment() | {
            "HOOKLINE_CONSOLE__PORT": "0",
            "HOOKLINE_CONSOLE__PASSWORD": f"env:{_VARIABLE}",
            _VARIABLE: PASSWORD,
        }
        super().__init__(
            "console",
            [sys.executable, "-m", "hookline_console"],
            folder=ours.folder,
            environment=environment,
            ready=CONSOLE_READY,
        )

    @property
    def url(self) -> str:
        """Where it is, such as `http://127.0.0.1:12345`."""
        return str(json.loads(self.line(CONSOLE_READY))["url"])


class Visitor:
    """Somebody who is logged in, on one connection. For `with`."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=_PATIENCE_SECONDS
        )
        self._headers = {"Accept": "text/html"}

    def __enter__(self) -> Self:
        form = urlencode({"password": PASSWORD})
        headers = self._headers | {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", "/login", form, headers)
        answer = self._connection.getresponse()
        answer.read()
        self._headers["Cookie"] = (answer.getheader("Set-Cookie") or "").partition(";")[0]
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str) -> tuple[float, str]:
        """How many ms it took until the whole page was there, and the page."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        page = answer.read()
        took_ms = (time.perf_counter() - began) * 1000
        if answer.status != http.client.OK:
            raise NotMeasuredError(f"{path} was answered {answer.status}")
        return took_ms, page.decode()
