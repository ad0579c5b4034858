import itertools

from hypothesis import given
from hypothesis import strategies as st

from skb.solver.deadline import Deadline
from skb.solver.linear import assign


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[list[int]], list[int]]:
    room = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    rows = draw(st.integers(0, min(sum(room), 5)))
    entries = st.lists(st.integers(0, 12), min_size=len(room), max_size=len(room))
    return draw(st.lists(entries, min_size=rows, max_size=rows)), room


@given(problems())
def test_assignment_is_the_cheapest_and_its_prices_prove_it(problem: tuple[list[list[int]], list[int]]) -> None:
    cost, room = problem
    solved = assign(cost, room, Deadline.after(60))
    assert solved is not None
    columns = range(len(room))
    choices = (
        choice
        for choice in itertools.product(columns, repeat=len(cost))
        if all(choice.count(column) <= room[column] for column in columns)
    )
    assert solved.total == min(sum(row[column] for row, column in zip(cost, choice, strict=True)) for choice in choices)
    assert solved.total == sum(row[column] for row, column in zip(cost, solved.column_of, strict=True))
    assert all(solved.column_of.count(column) <= room[column] for column in columns)
    assert solved.total == sum(solved.row_price) + sum(map(int.__mul__, room, solved.column_price))
    assert all(
        entry >= price + column_price
        for row, price in zip(cost, solved.row_price, strict=True)
        for entry, column_price in zip(row, solved.column_price, strict=True)
    )


def test_a_passed_deadline_gives_nothing() -> None:
    assert assign([[1]], [1], Deadline.after(0)) is None
