"""Plans of base addresses for PCI."""

from fastapi import APIRouter, Request

from skb.api.connection import while_connected
from skb.api.context import knowledge_of
from skb.api.pci_models import PciPlan, PciPlanRequest
from skb.pci_planning import PciPlanner

router = APIRouter(tags=["reasoning"])


@router.post("/pci-plan")
async def pci_plan(body: PciPlanRequest, request: Request) -> PciPlan:
    """Find base addresses for PCI functions, and windows for bridges, so that as few addresses as can be are wasted."""
    planner = PciPlanner(knowledge_of(request), request.app.state.solving)
    return await while_connected(request, planner.plan(body))
