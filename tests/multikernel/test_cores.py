"""Planning kernels: which there will be, and on which hardware threads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multikernel.cores import MOST, MOST_BY_DEFAULT, KernelPlan, plan
from multikernel.errors import BootError


def test_a_kernel_is_numbered_like_its_core() -> None:
    assert plan(2, usable=[3, 5], highest=7) == [KernelPlan(3, 3, shares=False), KernelPlan(5, 5, shares=False)]


def test_kernels_in_excess_share_cores_and_are_numbered_above_the_machine() -> None:
    kernels = plan(3, usable=[0, 1], highest=1)
    assert kernels == [KernelPlan(0, 0, shares=True), KernelPlan(1, 1, shares=False), KernelPlan(2, 0, shares=True)]
    assert [kernel.virtual for kernel in kernels] == [False, False, True]


def test_by_default_there_is_one_kernel_a_core_up_to_a_limit() -> None:
    assert len(plan(usable=list(range(4)), highest=3)) == 4
    assert len(plan(usable=list(range(200)), highest=199)) == MOST_BY_DEFAULT


def test_a_single_core_is_refused_with_the_remedy() -> None:
    with pytest.raises(BootError, match=r"only one core is usable here \(core 6\).*--cores 2"):
        plan(usable=[6], highest=7)


@pytest.mark.parametrize("wanted", [-1, 0, 1, MOST + 1])
def test_what_makes_no_multikernel_is_refused(wanted: int) -> None:
    with pytest.raises(BootError, match=f"--cores {wanted}"):
        plan(wanted, usable=[0, 1], highest=1)


@given(st.sets(st.integers(0, 63), min_size=1), st.integers(2, MOST))
def test_numbers_are_distinct_and_hosts_are_shared_evenly(usable: set[int], wanted: int) -> None:
    kernels = plan(wanted, usable=sorted(usable), highest=63)
    assert len({kernel.core for kernel in kernels}) == wanted
    loads = [sum(kernel.host == host for kernel in kernels) for host in {kernel.host for kernel in kernels}]
    assert max(loads) - min(loads) <= 1
    for kernel in kernels:
        assert kernel.host in usable
        assert kernel.shares == (sum(other.host == kernel.host for other in kernels) > 1)
