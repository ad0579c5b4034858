"""How benchmarks look on a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from multikernel.urpc.bench import Report


def urpc(report: Report) -> RenderableType:
    """Show what messages cost, and how that compares with the floor and with peers, measured in the same run."""
    figures = Table(box=None)
    figures.add_column("what")
    for column in ("median ns", "least", "greatest"):
        figures.add_column(column, justify="right")
    for figure in report.figures.values():
        times = (figure.median_ps, figure.least_ps, figure.greatest_ps)
        figures.add_row(figure.what, *(f"{ps / 1000:,.1f}" for ps in times))
    ratios = Table(box=None)
    ratios.add_column("ratio (median of the ratios within a round)")
    ratios.add_column("", justify="right")
    for name, ratio in report.ratios.items():
        ratios.add_row(name, f"{ratio:.2f}")
    return Group(
        Text(f"URPC between cores {report.cores[0]} and {report.cores[1]}, {report.rounds} rounds", style="italic"),
        figures,
        Text(),
        ratios,
        Text(f"one-way stream: {report.stream_messages_per_second / 1e6:.1f} million messages a second"),
    )
