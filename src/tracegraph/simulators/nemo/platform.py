"""The paths outside of a workspace: version and health, open to everyone (docs/vendors/nemo.md#releases)."""

from starlette.requests import Request
from starlette.responses import Response

from tracegraph.simulators.core.responses import Json
from tracegraph.simulators.nemo.releases import Release
from tracegraph.simulators.nemo.world import NemoWorld


class Platform:
    """Version and health of the service. Only a current release reports the loss of the telemetry store."""

    def __init__(self, world: NemoWorld, release: Release) -> None:
        self._world = world
        self._release = release

    async def cluster_info(self, _: Request) -> Response:
        """Return the release."""
        return Json({"platform_version": self._release.version, "revision": "dev"})

    async def status(self, _: Request) -> Response:
        """Return the state of every service."""
        lost = ["intake"] if self._is_down() else []
        ready = [name for name in ("auth", "entities", "intake") if name not in lost]
        body = {
            "status": "degraded" if lost else "healthy",
            "services": {"ready": ready, "not_ready": [{"name": name, "message": ""} for name in lost]},
            "controllers": {"healthy": True, "status": {}},
        }
        return Json(body)

    async def live(self, _: Request) -> Response:
        """Report that the process responds."""
        return Json({"status": "live"})

    async def ready(self, _: Request) -> Response:
        """Report whether all services are ready: 503 from 0.6.0 on, while the telemetry store is down."""
        if self._is_down():
            return Json({"detail": {"status": "not_ready"}}, 503)
        return Json({"status": "ready"})

    def _is_down(self) -> bool:
        return self._release.is_current and self._world.telemetry_down
