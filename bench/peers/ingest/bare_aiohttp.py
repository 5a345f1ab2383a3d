"""The ceiling: an aiohttp handler that reads the body, verifies it, and answers 202. Nothing is stored."""

import os

from aiohttp import web
from verify import is_from_esa, is_from_misskey


async def esa(request: web.Request) -> web.Response:
    """A delivery from esa."""
    body = await request.read()
    return web.Response(status=202 if is_from_esa(request.headers, body) else 401)


async def misskey(request: web.Request) -> web.Response:
    """A delivery from Misskey."""
    await request.read()
    return web.Response(status=202 if is_from_misskey(request.headers) else 401)


app = web.Application()
app.router.add_post("/hooks/team", esa)
app.router.add_post("/hooks/misskey", misskey)
web.run_app(app, host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), access_log=None, print=None)
