"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(help="The settings file.", show_default="$HOOKLINE_CONFIG, else hookline.toml"),
]
Processes = Annotated[int, typer.Option(min=1, max=256, help="How many processes to run.")]
DryRunAsJson = Annotated[bool, typer.Option("--json", help="Print what a dry run finds as JSON.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
