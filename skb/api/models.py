"""Bodies of requests and responses, with the documentation that OpenAPI shows of them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from skb.api import examples

MOST_CORES = 1024
MOST_OFFSET = 10**15

EXACT = (
    'Strings come as {"string": ...}, so that they differ from atoms: what comes back as a parameter is the same term.'
)
MIN_REVISION = "Answer from this revision on only; the request waits up to 10 s for it."


class Model(BaseModel):
    """Unknown members are errors: they are mostly misspelt known ones."""

    model_config = ConfigDict(extra="forbid")


class Problem(Model):
    """What went wrong."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(description="Stable; starts with /problems/.")]
    title: str
    status: int
    detail: Annotated[str, Field(description="Place, cause, remedy.")]
    line: Annotated[int | None, Field(description="Where Prolog text cannot be read.")] = None
    column: int | None = None


class Health(Model):
    """Whether the service can answer."""

    status: Literal["ok"]
    revision: Annotated[int, Field(description="The latest revision of the facts.")]
    engine_restarts: Annotated[int, Field(description="How many times the engine was replaced.")]


class Version(Model):
    """What answers."""

    name: str
    version: str
    api: int


class FieldInfo(Model):
    """A field of a fact."""

    name: str
    type: Annotated[str, Field(description="What a value must be, in words.")]
    key: Annotated[bool, Field(description="Whether it is part of the key.")]


class Machine(Model):
    """A machine that is known."""

    name: str
    revision: int
    engines: Annotated[int, Field(description="Engine processes that serve it now.")]
    about: Annotated[dict[str, Any], Field(description="What it was loaded from, and when (seconds since 1970).")]


class Loaded(Model):
    """What a recording told."""

    name: str
    revision: int
    facts: int
    problems: Annotated[list[str], Field(description="What could not be read, each with place, cause and remedy.")]


class Predicate(Model):
    """A declared fact."""

    name: str
    fields: list[FieldInfo]
    doc: str
    source: str
    rows: int


class Rows(Model):
    """Rows of a fact, as objects by field name."""

    rows: list[dict[str, Any]]
    cursor: Annotated[str | None, Field(description="Give it as `cursor` for the next rows; null at the end.")]
    revision: int


Fact = Annotated[
    dict[str, Any], Field(description="A fact in JSON form.", examples=[{"name": "numa_core", "args": [0, 1]}])
]


class Update(Model):
    """One transaction: what to retract, then what to assert."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.UPDATE]})

    assert_: Annotated[list[Fact], Field(alias="assert", description="A fact whose key is known replaces it.")] = []
    retract: Annotated[list[Fact], Field(description='Arguments may be {"var": "_"}: any value.')] = []
    if_revision: Annotated[int | None, Field(description="Fail unless this is the latest revision.")] = None
    on_existing_key: Annotated[
        Literal["replace", "fail"],
        Field(description="Whether a fact replaces the row with its key, or the transaction fails where there is one."),
    ] = "replace"


class Updated(Model):
    """The revision that a write made."""

    revision: int


class Query(Model):
    """A Prolog goal over the facts and rules."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.QUERY]})

    goal: Annotated[str, Field(max_length=100_000, examples=["cpu_thread(Core, Package, _, 0)"])]
    params: Annotated[
        dict[str, Any],
        Field(description='Values for variables of the goal. A string is an atom; {"string": "..."} is a string.'),
    ] = {}
    limit: Annotated[int, Field(ge=1, le=100_000, description="Solutions to give at most.")] = 1000
    offset: Annotated[int, Field(ge=0, le=MOST_OFFSET, description="Solutions to skip.")] = 0
    timeout_ms: Annotated[int, Field(ge=1, le=600_000, description="Time that the goal may take.")] = 10_000
    exact: Annotated[bool, Field(description=EXACT)] = False
    min_revision: Annotated[int | None, Field(ge=0, description=MIN_REVISION)] = None


class StreamedQuery(Model):
    """A Prolog goal whose solutions come as they are found."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.QUERY]})

    goal: Annotated[str, Field(max_length=100_000, examples=["cpu_thread(Core, Package, _, 0)"])]
    params: Annotated[dict[str, Any], Field(description="As in a query.")] = {}
    limit: Annotated[int | None, Field(ge=1, le=MOST_OFFSET, description="Solutions to give at most; all if null.")] = (
        None
    )
    timeout_ms: Annotated[int, Field(ge=1, le=600_000, description="Time that all of it may take.")] = 60_000
    exact: Annotated[bool, Field(description=EXACT)] = False
    min_revision: Annotated[int | None, Field(ge=0, description=MIN_REVISION)] = None


class Explain(Model):
    """Why does this hold?"""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.EXPLAIN]})

    goal: Annotated[str, Field(max_length=100_000)]
    params: Annotated[dict[str, Any], Field(description="As in a query.")] = {}
    depth: Annotated[int, Field(ge=1, le=100, description="Levels of the proof; what is below is left out.")] = 20
    timeout_ms: Annotated[int, Field(ge=1, le=600_000, description="Time that it may take.")] = 10_000


class Step(Model):
    """A goal of a proof, and the goals that it follows from."""

    goal: Annotated[str, Field(description="As Prolog text, with what it was bound to.")]
    by: Annotated[
        Literal["fact", "rule", "computed", "failed", "all", "cut off"],
        Field(
            description="A fact; a clause of a rule; a built-in or library predicate; a goal that must not hold; all solutions of a "
            "goal (findall, aggregate_all, forall); a rule below the depth asked for."
        ),
    ]
    rule: Annotated[str | None, Field(description="The clause: module:name/arity, number.")] = None
    because: list["Step"]


class Explanation(Model):
    """The first proof of a goal."""

    holds: bool
    bindings: Annotated[dict[str, Any], Field(description="The values of the goal's variables in this proof.")]
    proof: list[Step]
    revision: int


class Answer(Model):
    """Solutions: the values of the goal's variables, by name."""

    solutions: list[dict[str, Any]]
    more: Annotated[bool, Field(description="Whether there are more solutions than `limit`.")]
    revision: int
    stats: dict[str, Any]


class QueryParameter(Model):
    """A parameter of a declared query."""

    name: str
    mode: Annotated[Literal["in", "out", "both"], Field(description="Given; answered; given, or else answered.")]
    type: Annotated[str, Field(description="What a value must be, in words.")]
    required: Annotated[bool, Field(description="Whether it must be given.")]
    default: Annotated[Any, Field(description="What it is if it is not given; null without one.")] = None


class DeclaredQuery(Model):
    """A query that a rule module declares."""

    name: str
    module: str
    doc: str
    parameters: list[QueryParameter]


class Ask(Model):
    """A declared query, with values for its parameters."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.ASK]})

    params: Annotated[
        dict[str, Any], Field(description="Values by parameter. A PCI address may be written as 0000:00:1f.3.")
    ] = {}
    limit: Annotated[int, Field(ge=1, le=100_000, description="Solutions to give at most.")] = 1000
    offset: Annotated[int, Field(ge=0, le=MOST_OFFSET, description="Solutions to skip.")] = 0
    timeout_ms: Annotated[int, Field(ge=1, le=600_000, description="Time that it may take.")] = 10_000
    min_revision: Annotated[int | None, Field(ge=0, description=MIN_REVISION)] = None


RuleText = Annotated[str, Field(max_length=1_000_000, description="A Prolog module.")]
TestText = Annotated[str, Field(max_length=1_000_000, description="PlUnit tests of the module; may be empty.")]
TestTime = Annotated[int, Field(ge=1, le=600_000, description="Time that all tests may take.")]


class RuleModule(Model):
    """A module of rules."""

    name: str
    title: Annotated[str, Field(description="As its first comment has it: /** <module> Title */.")]
    installed: Annotated[bool, Field(description="Whether it belongs to the installation, and cannot be changed.")]
    version: Annotated[int, Field(description="0 for modules of the installation.")]
    time: Annotated[float | None, Field(description="When it was pushed, in seconds since 1970.")] = None
    queries: Annotated[list[str], Field(description="Names of the queries that it declares.")]


class RuleVersion(Model):
    """A version of a module."""

    version: int
    time: Annotated[float, Field(description="When it was pushed, in seconds since 1970.")]
    removed: Annotated[bool, Field(description="The module was removed.")]
    current: bool


class Rules(Model):
    """A module of rules, whole."""

    name: str
    installed: bool
    version: int
    text: str
    tests: str
    versions: list[RuleVersion]


class RuleCheck(Model):
    """Look at a text as a module, without teaching it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.RULE_CHECK]})

    text: Annotated[
        str | None, Field(max_length=1_000_000, description="A Prolog module; the current version if null.")
    ] = None


class RuleTest(Model):
    """Run the tests of a module, without teaching it."""

    text: Annotated[
        str | None, Field(max_length=1_000_000, description="A Prolog module; the current version if null.")
    ] = None
    tests: Annotated[str | None, Field(max_length=1_000_000, description="Its tests; the current ones if null.")] = None
    timeout_ms: TestTime = 60_000


class RulePush(Model):
    """Have a module answer from now on."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [examples.RULE_PUSH]})

    text: RuleText
    tests: TestText = ""
    if_version: Annotated[
        int | None, Field(ge=0, description="Only if this is the current version; 0: only if there is no such module.")
    ] = None
    untested: Annotated[bool, Field(description="Do not run the tests.")] = False
    timeout_ms: TestTime = 60_000


class Remark(Model):
    """Something about a text of rules."""

    severity: Literal["error", "warning"]
    line: int
    column: int
    message: str


class TestResult(Model):
    """What came of a test."""

    unit: str
    test: str
    line: int
    outcome: Literal["passed", "failed", "blocked"]
    message: str


class RulesChecked(Model):
    """What can be said of a module before it answers anybody."""

    ok: Annotated[bool, Field(description="Whether it may be pushed: there are no errors, but perhaps warnings.")]
    problems: list[Remark]
    exports: Annotated[list[str], Field(description="Predicates that it exports.")]
    queries: Annotated[list[str], Field(description="Queries that it declares.")]


class RulesTested(Model):
    """What came of the tests of a module."""

    ok: bool
    problems: Annotated[list[Remark], Field(description="Of the texts; with an error, no test was run.")]
    tests: list[TestResult]


class RulesPushed(Model):
    """The version that answers from now on."""

    name: str
    version: int
    problems: Annotated[list[Remark], Field(description="Warnings.")]
    tests: list[TestResult]
    queries: list[str]


class RulesRolledBack(Model):
    """The version that answers from now on; without one (`removed`), there is no such module."""

    name: str
    version: int
    removed: bool


class Part(Model):
    """A part of the machine, and what it consists of."""

    type: Annotated[str, Field(examples=["package"])]
    id: int | str
    attributes: dict[str, Any]
    children: list["Part"]


Matrix = list[list[Annotated[int, Field(ge=0)]]]
