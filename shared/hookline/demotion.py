"""A server that takes writes no longer is left: another may be the primary by now."""

from __future__ import annotations

import re
from typing import Any

import redis

BEFORE_THE_CODE = r"(?:|.*: -|.*because of: |.*caused error: )"
"""A script's error of Redis 6.2 reads `@user_script: 1: -OOM …`; then EXEC, and redis-py for a pipeline."""
_UNFIT = re.compile(f"{BEFORE_THE_CODE}(?:READONLY|NOREPLICAS) ", re.DOTALL)


class LeavesTheDemoted:
    """A connection that is not used again once its server took no write: another may be the primary by now.

    What was sent is sent again on a new connection, once. With Sentinel that leads to the primary of the
    moment; with a managed Redis, whose name moves to another machine, the name is looked up again.
    """

    def read_response(self: Any, *arguments: Any, **options: Any) -> Any:
        """The answer; ConnectionError where the server is no primary that takes writes."""
        try:
            return super().read_response(*arguments, **options)  # type: ignore[misc]
        except redis.ResponseError as error:
            if not _is_unfit(error):
                raise
            self.disconnect()
            raise redis.ConnectionError(str(error)) from error


class AsyncLeavesTheDemoted:
    """As above, for asyncio."""

    async def read_response(self: Any, *arguments: Any, **options: Any) -> Any:
        """As above."""
        try:
            return await super().read_response(*arguments, **options)  # type: ignore[misc]
        except redis.ResponseError as error:
            if not _is_unfit(error):
                raise
            await self.disconnect()
            raise redis.ConnectionError(str(error)) from error


def _is_unfit(error: redis.ResponseError) -> bool:
    return isinstance(error, redis.ReadOnlyError) or _UNFIT.match(str(error)) is not None
