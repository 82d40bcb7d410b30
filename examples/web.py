"""A web application with sessions in QuasarDB and questions to tables in QCache.

Run it:  uvicorn examples.web:app      (needs: pip install 'storekit[embedded]' starlette uvicorn)
Try it:  python -m examples.web        (makes requests of its own, without a port)

The kit is opened and closed with the application, and serves all requests.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from storekit import AsyncStoreKit, StoreKitError

AN_HOUR = timedelta(hours=1)
CITIES = [
    {"city": "Uppsala", "country": "SE", "people": 177074},
    {"city": "Lund", "country": "SE", "people": 94393},
    {"city": "Bergen", "country": "NO", "people": 271949},
]


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    async with AsyncStoreKit.from_environment() as kit:  # STOREKIT_QDB, STOREKIT_QCACHE, ...
        await kit.put_table("cities", CITIES)
        app.state.kit = kit
        yield


async def log_in(request: Request) -> JSONResponse:
    token = secrets.token_urlsafe()
    session = {"user": request.path_params["user"]}
    await request.app.state.kit.qdb.put(f"session/{token}", session, AN_HOUR)
    return JSONResponse({"token": token})


async def cities_of(request: Request) -> JSONResponse:
    kit, alias = request.app.state.kit, f"session/{request.headers.get('Authorization')}"
    session = await kit.qdb.get(alias, default=None)
    if session is None:
        return JSONResponse({"error": "log in first"}, status_code=401)
    await kit.qdb.touch(alias, AN_HOUR)  # an hour from now
    query = {"where": ["in", "country", [request.path_params["country"]]], "order_by": ["-people"]}
    result = await kit.query("cities", query, max_age=5)
    return JSONResponse({"for": session["user"], "cities": [row["city"] for row in result.json()]})


async def is_away(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "try again later"}, status_code=503)


app = Starlette(
    lifespan=lifespan,
    exception_handlers={StoreKitError: is_away},
    routes=[
        Route("/login/{user}", log_in, methods=["POST"]),
        Route("/cities/{country}", cities_of),
    ],
)


async def main() -> None:
    transport = httpx.ASGITransport(app)
    async with lifespan(app), httpx.AsyncClient(transport=transport, base_url="http://x") as web:
        print((await web.get("/cities/SE")).json())
        token = (await web.post("/login/ada")).json()["token"]
        for country in ("SE", "NO"):
            print((await web.get(f"/cities/{country}", headers={"Authorization": token})).json())


if __name__ == "__main__":
    anyio.run(main)
