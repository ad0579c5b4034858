"""Constrained optimisation: a model, or a goal that makes one."""

from fastapi import APIRouter, Request

from skb.api.connection import while_connected
from skb.api.context import knowledge_of
from skb.api.optimize_models import OptimizeRequest, Optimum
from skb.optimizer import Optimizer

router = APIRouter(tags=["reasoning"])


@router.post("/optimize")
async def optimize(body: OptimizeRequest, request: Request) -> Optimum:
    """Solve a model: the best solution with its bound, all that are as good, or why there is none."""
    optimizer = Optimizer(knowledge_of(request), request.app.state.solving)
    return await while_connected(request, optimizer.optimize(body))
