"""A web application that answers from tables: `uvicorn examples.web:app`.

The kit is opened and closed with the application, and serves all requests. Run as a program,
this makes two requests of its own.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from storekit import AsyncStoreKit

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


async def cities_of(request: Request) -> JSONResponse:
    country = request.path_params["country"]
    query = {"where": ["in", "country", [country]], "order_by": ["-people"]}
    result = await request.app.state.kit.query("cities", query)
    return JSONResponse(result.json())


app = Starlette(routes=[Route("/cities/{country}", cities_of)], lifespan=lifespan)


async def main() -> None:
    async with lifespan(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://example") as client:
            for country in ("SE", "NO"):
                response = await client.get(f"/cities/{country}")
                print(country, [row["city"] for row in response.json()])


if __name__ == "__main__":
    anyio.run(main)
