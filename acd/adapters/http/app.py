"""The FastAPI application: routes, guard and error forms put together. No globals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.routing import WebSocketRoute

from acd.adapters.http import (
    callback_routes,
    desk_routes,
    firm_routes,
    message_routes,
    mqtt_pipe,
    outbox_routes,
    phone_routes,
    recording_routes,
    sip_pipe,
    transfer_routes,
    views,
)
from acd.adapters.http.auth import Doorkeeper
from acd.adapters.http.guard import Guard, HttpCounters
from acd.adapters.http.metrics import CONTENT_TYPE, Metrics
from acd.adapters.http.piping import Holders
from acd.adapters.http.routes import router

if TYPE_CHECKING:
    from acd.adapters.http.services import HttpServices, HttpSettings


def create_app(services: HttpServices, settings: HttpSettings) -> FastAPI:
    """Build the application. `app.state` holds services, settings, keeper, counters and metrics."""
    app = FastAPI(
        title="ACD", version="1", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json",
        redirect_slashes=False,  # it would send people to whatever the Host header names
    )  # fmt: skip
    counters = HttpCounters()
    app.state.services = services
    app.state.settings = settings
    app.state.keeper = Doorkeeper(settings.principals)
    app.state.counters = counters
    app.state.sip_holders = Holders(settings.max_phones)

    def gauges() -> dict[str, float]:
        refused = {"http_logins_refused": float(app.state.keeper.refused)}
        return {**services.gauges(), **counters.figures(), **refused}

    app.state.metrics = Metrics(services.snapshot, gauges)
    app.add_middleware(Guard, settings=settings, counters=counters)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.include_router(router)
    app.include_router(message_routes.router)
    app.include_router(transfer_routes.router)
    app.include_router(recording_routes.router)
    app.include_router(phone_routes.router)
    app.include_router(callback_routes.router)
    app.include_router(outbox_routes.router)
    app.include_router(desk_routes.router)
    app.include_router(desk_routes.cases)
    app.include_router(firm_routes.router)
    app.add_api_route("/healthz", _healthz, methods=["GET"], include_in_schema=False)
    app.add_api_route("/readyz", _readyz, methods=["GET"], include_in_schema=False)
    app.add_api_route("/metrics", _metrics, methods=["GET"], include_in_schema=False)
    app.router.routes.append(WebSocketRoute("/mqtt", mqtt_pipe.mqtt))
    app.router.routes.append(WebSocketRoute("/sip", sip_pipe.sip))
    if settings.desk is not None and settings.desk.is_dir():
        app.mount("/desk", StaticFiles(directory=settings.desk, html=True), name="desk")
        for short in ("/", "/desk"):
            app.add_api_route(short, _to_desk, methods=["GET"], include_in_schema=False)
    return app


async def _http_error(_: Request, problem: Exception) -> Response:
    status = problem.status_code if isinstance(problem, HTTPException) else 500
    detail = problem.detail if isinstance(problem, HTTPException) else "internal error"
    answer = views.answer({"detail": detail}, status)
    if status == 401:  # noqa: PLR2004 - not `Basic`: a browser would open its own dialog and keep the password
        answer.headers["www-authenticate"] = "Bearer"
    return answer


async def _invalid(_: Request, problem: Exception) -> Response:
    """Say where and what, never the input itself: it may be personal, huge, or not encodable."""
    errors = problem.errors() if isinstance(problem, RequestValidationError) else []
    told = [
        {
            "where": [str(part)[:80] for part in error.get("loc", ())][:8],
            "what": str(error.get("msg", ""))[:200],
        }
        for error in errors[:20]
    ]
    return views.answer({"detail": "the request is not valid", "errors": told}, 422)


async def _healthz() -> Response:
    """The loop turns."""
    return views.answer({"status": "ok"})


async def _readyz(request: Request) -> Response:
    """Calls can be routed; otherwise 503. What does not work is told in plain words either way."""
    services = request.app.state.services
    troubles = dict(services.troubles())
    ready = troubles.keys() <= services.minor
    return views.answer({"ready": ready, "troubles": troubles}, 200 if ready else 503)


async def _metrics(request: Request) -> Response:
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE)


async def _to_desk() -> Response:
    return RedirectResponse("/desk/")
