"""FastAPI and arq: uvicorn with one process, on uvloop and httptools, and a pool made once; run as

uvicorn fastapi_arq:app --no-access-log
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from arq import create_pool
from arq.connections import RedisSettings
from fastapi import FastAPI, Request, Response
from verify import is_from_esa, is_from_misskey


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The pool of connections, as long as the application lives."""
    app.state.jobs = await create_pool(RedisSettings.from_dsn(os.environ["BENCH_REDIS_URL"]))
    yield
    await app.state.jobs.aclose()


app = FastAPI(lifespan=lifespan)


@app.post("/hooks/team")
async def esa(request: Request) -> Response:
    """A delivery from esa."""
    body = await request.body()
    if not is_from_esa(request.headers, body):
        return Response(status_code=401)
    await app.state.jobs.enqueue_job("handle", "esa", body)
    return Response(status_code=202)


@app.post("/hooks/misskey")
async def misskey(request: Request) -> Response:
    """A delivery from Misskey."""
    body = await request.body()
    if not is_from_misskey(request.headers):
        return Response(status_code=401)
    await app.state.jobs.enqueue_job("handle", "misskey", body)
    return Response(status_code=202)
