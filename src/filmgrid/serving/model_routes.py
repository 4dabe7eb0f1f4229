"""What is served, what it would take, and how much is taken at most."""

from fastapi import APIRouter, Request

from filmgrid.serving.answers import the_service
from filmgrid.serving.schema import Limits, Model, PlanAnswer, PlanQuestion

models_router = APIRouter(prefix="/api", tags=["models"])


@models_router.get("/models")
def models(request: Request) -> list[Model]:
    """The models that are served."""
    return the_service(request).models()


@models_router.post("/plan")
def plan(request: Request, body: PlanQuestion) -> PlanAnswer:
    """Say what a request would take, without making it."""
    return the_service(request).plan(body.request)


@models_router.get("/limits")
def limits(request: Request) -> Limits:
    """What the server takes at most."""
    config = the_service(request).config
    return Limits.model_validate(config, from_attributes=True)
