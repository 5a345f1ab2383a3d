"""Keep the open reports of a Misskey server as files, one for each, so that a moderator sees what is left.

It takes a system webhook, which an administrator makes in the control panel.
"""

import re
from pathlib import Path

from hookline import Context, GiveUp, action, misskey


@action(misskey.AbuseReport)
def open_report(event: misskey.AbuseReport, ctx: Context) -> None:
    """Write the report's file."""
    file = _file(event.report, ctx)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_summary(event), encoding="utf-8")
    ctx.log.warning("a report is open", report=event.report.id, file=str(file))


@action(misskey.AbuseReportResolved)
def close_report(event: misskey.AbuseReportResolved, ctx: Context) -> None:
    """Remove the report's file."""
    _file(event.report, ctx).unlink(missing_ok=True)
    ctx.log.info("a report is resolved", report=event.report.id, resolved_as=event.report.resolved_as)


@action(misskey.InactiveModeratorsWarning)
async def warn(event: misskey.InactiveModeratorsWarning, ctx: Context) -> None:
    """Say how long the moderators have left; `ctx.http` would tell their chat room."""
    remaining = event.remaining_time
    ctx.log.warning("no moderator is active", hours_left=remaining.as_hours if remaining else None)


def _file(report: misskey.Report, ctx: Context) -> Path:
    if not re.fullmatch(r"[\w-]{1,128}", report.id):
        raise GiveUp(f"{report.id!r} is no report id to name a file after")
    return Path(ctx.settings.get("folder", ".hookline/demo/reports")) / f"{report.id}.txt"


def _summary(event: misskey.AbuseReport) -> str:
    report = event.report
    target = f"@{report.target_user.acct}" if report.target_user else f"user {report.target_user_id}"
    reporter = f"@{report.reporter.acct}" if report.reporter else f"user {report.reporter_id}"
    return f"{target}, reported by {reporter} to {event.server or 'an unknown server'}:\n\n{report.comment}\n"
