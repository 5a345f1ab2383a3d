"""The stock way: aiohttp, and RQ's `Queue.enqueue` for each delivery.

It is called on the event loop as it is. Through `asyncio.to_thread` it takes twice the CPU time for each
delivery, so the faster of the two ways is measured.
"""

import os

from aiohttp import web
from redis import Redis
from rq import Queue
from verify import is_from_esa, is_from_misskey

queue = Queue("webhooks", connection=Redis.from_url(os.environ["BENCH_REDIS_URL"]))


async def esa(request: web.Request) -> web.Response:
    """A delivery from esa."""
    body = await request.read()
    if not is_from_esa(request.headers, body):
        return web.Response(status=401)
    queue.enqueue("jobs.handle", "esa", body)
    return web.Response(status=202)


async def misskey(request: web.Request) -> web.Response:
    """A delivery from Misskey."""
    body = await request.read()
    if not is_from_misskey(request.headers):
        return web.Response(status=401)
    queue.enqueue("jobs.handle", "misskey", body)
    return web.Response(status=202)


app = web.Application()
app.router.add_post("/hooks/team", esa)
app.router.add_post("/hooks/misskey", misskey)
web.run_app(app, host="127.0.0.1", port=int(os.environ["BENCH_PORT"]), access_log=None, print=None)
