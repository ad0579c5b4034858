"""How benchmarks look on a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from multikernel.urpc import crossover as crossing
from multikernel.urpc.bench import Outcome, Report

VERDICTS = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}


def urpc(report: Report) -> RenderableType:
    """Show what messages cost: first what was promised beside its limit, then every figure, all of the same run."""
    goals = Table(box=None)
    goals.add_column("promised (medians of the ratios within a round)")
    for column in ("measured", "limit", ""):
        goals.add_column(column, justify="right")
    for outcome in report.outcomes:
        goals.add_row(outcome.goal.what, *_verdict(outcome))
    figures = Table(box=None)
    figures.add_column("what (ns)")
    for column in ("median", "least", "greatest"):
        figures.add_column(column, justify="right")
    for name, figure in report.figures.items():
        unit = 1 if name == "blocked_cpu" else 1000
        figures.add_row(
            figure.what, *(f"{value / unit:,.1f}" for value in (figure.median, figure.least, figure.greatest))
        )
    ratios = Table(box=None)
    ratios.add_column("further ratios")
    ratios.add_column("", justify="right")
    for name, ratio in report.ratios.items():
        ratios.add_row(name, f"{ratio:.2f}")
    stream, many = (1e6 / report.figures[name].median for name in ("stream", "stream_many"))
    return Group(
        Text(f"URPC between cores {report.cores[0]} and {report.cores[1]}, {report.rounds} rounds", style="italic"),
        goals,
        Text(),
        figures,
        Text(),
        ratios,
        Text(f"one-way stream from Python: {stream:.1f} million messages a second, many a call {many:.1f}"),
        *(Text(f"{name}: not available: {reason}") for name, reason in report.missing.items()),
    )


def _verdict(outcome: Outcome) -> tuple[str, str, str]:
    goal = outcome.goal
    limit = f"<= {goal.most:g}" if goal.most is not None else f">= {goal.least:g}" if goal.least is not None else ""
    if outcome.ratio is None:
        return "-", limit, "not available"
    return f"{outcome.ratio:.2f}", limit, VERDICTS[outcome.met]


def crossover(report: crossing.Report) -> RenderableType:
    """Show what shared memory and messages cost by the number of cache lines, and from how many on messages win."""
    parts: list[RenderableType] = []
    for cores, setting in dict.fromkeys((point.cores, point.setting) for point in report.points):
        table = Table(box=None)
        table.add_column("lines", justify="right", style="bold")
        for words in crossing.WAYS.values():
            table.add_column(words, justify="right")
        points = [point for point in report.points if (point.cores, point.setting) == (cores, setting)]
        latency = {(point.way, point.lines): point.latency_ps for point in points}
        for lines in sorted({lines for _, lines in latency}):
            table.add_row(str(lines), *(f"{latency[way, lines] / 1000:,.1f}" for way in crossing.WAYS))
        heading = f"{cores} cores, {setting.words}: ns an operation takes the core that wants it"
        parts += [Text(heading, style="italic"), table, *_crossings(report, cores, setting), Text()]
    return Group(*parts)


def _crossings(report: crossing.Report, cores: int, setting: crossing.Setting) -> list[Text]:
    """Say in words where the curves of so many cores cross."""
    sentences = []
    for messages, words in crossing.MESSAGES.items():
        case = (cores, setting, messages)
        found = {it.shared: it.lines for it in report.crossovers if (it.cores, it.setting, it.messages) == case}
        won = [f"{crossing.SHARED[way]} from {lines}" for way, lines in found.items() if lines is not None]
        lost = [crossing.SHARED[way] for way, lines in found.items() if lines is None]
        sentences.append(
            Text(
                f"{words}: cheaper than "
                + (", ".join(won) + " line(s) on" if won else "nothing")
                + (f"; not than {', '.join(lost)}" if lost else "")
            )
        )
    return sentences
