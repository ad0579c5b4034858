from hypothesis import given
from hypothesis import strategies as st
from solver_cases import machine

from skb.solver.levels import lowered
from skb.solver.matrix import Matrix, checked
from skb.solver.symmetry import symmetry


def orbits(distance: Matrix, *touched: int) -> list[list[int]]:
    return sorted(symmetry(distance).orbits(range(len(distance)), touched))


def test_all_cores_of_a_symmetric_machine_are_alike() -> None:
    assert orbits(checked("distance", machine(2, 2, 2, 2))) == [list(range(16))]


def test_using_a_core_sets_its_neighbours_apart_level_by_level() -> None:
    assert orbits(checked("distance", machine(2, 2, 2, 2)), 5) == [[0, 1, 2, 3], [4], [5], [6, 7], list(range(8, 16))]


def test_twins_are_the_threads_of_a_core() -> None:
    assert symmetry(checked("distance", machine(1, 1, 3, 2))).twins() == (0, 0, 2, 2, 4, 4)


def test_a_grid_has_no_nested_symmetry() -> None:
    line = tuple(tuple(abs(a - b) for b in range(5)) for a in range(5))
    assert orbits(line) == [[0], [1], [2], [3], [4]]


@given(
    st.integers(1, 5).flatmap(
        lambda n: st.lists(st.lists(st.integers(0, 1), min_size=n, max_size=n), min_size=n, max_size=n)
    ),
    st.data(),
)
def test_cores_of_an_orbit_see_the_same_distances(rows: list[list[int]], data: st.DataObject) -> None:
    distance = checked("distance", rows)
    touched = data.draw(st.sets(st.sampled_from(range(len(rows)))))
    for orbit in orbits(distance, *touched):
        views = {
            (
                tuple(distance[core][other] for other in sorted(touched)),
                tuple(distance[other][core] for other in sorted(touched)),
                tuple(sorted(distance[core])),
                tuple(sorted(row[core] for row in distance)),
            )
            for core in orbit
        }
        assert len(views) == 1


def test_noise_is_lowered_to_the_least_of_its_level() -> None:
    noisy = ((0, 100, 1000), (103, 0, 1050), (1004, 1100, 0))
    assert lowered(noisy) == ((0, 100, 1000), (100, 0, 1000), (1000, 1000, 0))
