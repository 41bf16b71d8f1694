"""Ways to learn a graph: PC, FCI and GES, each with what it assumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, get_args

from butfor.core.diagnostic import Assumption
from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.core.serial import public_value
from butfor.data.sample import FloatArray
from butfor.discovery.causal_learn import search_fci, search_ges, search_pc
from butfor.discovery.columns import LearningData
from butfor.discovery.knowledge import Knowledge
from butfor.graph.marked_graph import Kind, MarkedEdge

Test = Literal["fisherz", "chisq", "gsq"]
Score = Literal["bic", "bdeu"]
MOST_TESTS = 100_000
# GES tries every subset of the undirected neighbours of a node.
MOST_COLUMNS = 20
WORDS = {
    "fisherz": "partial correlations",
    "chisq": "chi-squared tests of tables",
    "gsq": "G-tests of tables",
    "bic": "BIC of linear Gaussian models",
    "bdeu": "BDeu score of tables",
}

FAITHFUL = Assumption(
    "faithfulness",
    "Every independence in the data is due to the graph: no two paths cancel, no column is a function of others.",
    "Ask where a cause acts in two ways that oppose each other, and where something regulates itself.",
)
INDEPENDENT_ROWS = Assumption(
    "independent-rows",
    "The rows are independent draws of one population, none chosen for its values; no effect acts back on its cause.",
    "Look for repeated units, for time, for how rows came into the data.",
)
NO_HIDDEN_CAUSES = Assumption(
    "causal-sufficiency",
    "No two columns have a common cause that was not measured.",
    "Name what was not measured; compare with FCI(), which allows for it.",
)
HIDDEN_CAUSES = Assumption(
    "hidden-causes-allowed",
    "Common causes that were not measured may exist; a circle at an edge says that the data leave its end open.",
    "Look for edges <->: they say that there is one.",
)
LINEAR = Assumption(
    "linear-gaussian",
    "The columns depend on each other linearly: a relation without correlation is not seen.",
    "Plot pairs of columns; compare with the columns cut into classes.",
)
TABLES = Assumption(
    "filled-tables",
    "The tables of categories hold enough rows: given many columns the tests see nothing, and edges go missing.",
    "Merge rare levels; look at how edges change with alpha.",
)
SHAPE = {"fisherz": LINEAR, "bic": LINEAR, "chisq": TABLES, "gsq": TABLES, "bdeu": TABLES}


class DiscoveryMethod(Protocol):
    """A way to learn a graph. `criterion` is a test or a score."""

    name: ClassVar[str]
    kind: ClassVar[Kind]

    def choose(self, data: LearningData, knowledge: Knowledge) -> str:
        """The criterion for these columns; refuses what the method cannot do."""
        ...

    def words(self, criterion: str) -> str:
        """The method in words."""
        ...

    def assumptions(self, criterion: str) -> tuple[Assumption, ...]:
        """What must be true for the learned graph to be right."""
        ...

    def learn(
        self, matrix: FloatArray, names: tuple[str, ...], criterion: str, knowledge: Knowledge
    ) -> tuple[MarkedEdge, ...]:
        """The edges."""
        ...


@dataclass(frozen=True, kw_only=True)
class ByTests:
    """What PC and FCI have in common: they learn from tests of independence."""

    alpha: float = 0.01
    test: Test | None = None
    most_tests: int = MOST_TESTS

    name: ClassVar[str]
    hidden: ClassVar[Assumption]

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise InvalidSetting(
                f"alpha is {self.alpha}; {self.name} needs a level between 0 and 1.", hint=f"{self.name}(alpha=0.01)"
            )
        if self.test not in (None, *get_args(Test)):
            raise InvalidSetting(
                f"test is {self.test!r}; {self.name} needs one of {', '.join(get_args(Test))}.",
                hint='test="fisherz" for numbers, test="gsq" for categories',
            )
        if self.most_tests < 1:
            raise InvalidSetting(
                f"most_tests is {self.most_tests}; a search needs at least one test.", hint=f"most_tests={MOST_TESTS}"
            )

    def choose(self, data: LearningData, knowledge: Knowledge) -> str:
        """The test for these columns; refuses what the method cannot do."""
        return self.test or ("fisherz" if _scale(data, self.name) == "numbers" else "gsq")

    def words(self, criterion: str) -> str:
        """The method in words."""
        return f"{self.name} ({WORDS[criterion]}, alpha = {self.alpha:g})"

    def assumptions(self, criterion: str) -> tuple[Assumption, ...]:
        """What must be true for the learned graph to be right."""
        return self.hidden, FAITHFUL, SHAPE[criterion], INDEPENDENT_ROWS


@public_value
@dataclass(frozen=True, kw_only=True)
class PC(ByTests):
    """Remove the edge of every pair that some other columns make independent; then direct what follows.

    **Answers** which graphs without hidden common causes are in line with the independences in the data (a CPDAG).

    Of colliders that contradict each other, those found first are kept.

    Args:
        alpha: level of each test; a smaller one means fewer edges. It is no error rate of the graph.
        test: "fisherz" for numbers, "chisq" or "gsq" for categories; default by what the columns hold. "fisherz" reads
            0/1 columns as numbers.
        most_tests: tests after which a search gives up.

    Raises:
        InvalidSetting: for an alpha that is no probability, another test, most_tests below one.

    References:
        Spirtes, Glymour and Scheines 2000, Causation, Prediction, and Search; Colombo and Maathuis 2014
        (jmlr.org/papers/v15/colombo14a.html) for the order of the columns.
    """

    name: ClassVar[str] = "PC"
    kind: ClassVar[Kind] = "pdag"
    hidden: ClassVar[Assumption] = NO_HIDDEN_CAUSES

    def learn(
        self, matrix: FloatArray, names: tuple[str, ...], criterion: str, knowledge: Knowledge
    ) -> tuple[MarkedEdge, ...]:
        """The edges."""
        return search_pc(matrix, names, self.alpha, criterion, self.most_tests, knowledge)


@public_value
@dataclass(frozen=True, kw_only=True)
class FCI(ByTests):
    """Like PC, but with room for common causes that nobody measured.

    **Answers** which graphs, with or without hidden causes, are in line with the independences in the data (a PAG).

    Of knowledge it takes pairs that are forbidden in both directions. Of order in time causal-learn concludes more than
    follows: it draws an arrow from the earlier to the later column, though both may have a hidden cause in common.

    Args:
        alpha: level of each test; a smaller one means fewer edges. It is no error rate of the graph.
        test: "fisherz" for numbers, "chisq" or "gsq" for categories; default by what the columns hold.
        most_tests: tests after which a search gives up.

    Raises:
        InvalidSetting: for an alpha that is no probability, another test, most_tests below one.

    References:
        Spirtes, Meek and Richardson 1995 (arXiv:1302.4983); Zhang 2008 (doi:10.1016/j.artint.2008.08.001).
    """

    name: ClassVar[str] = "FCI"
    kind: ClassVar[Kind] = "pag"
    hidden: ClassVar[Assumption] = HIDDEN_CAUSES

    def choose(self, data: LearningData, knowledge: Knowledge) -> str:
        """The test for these columns; refuses knowledge with directions."""
        one_way = [pair for pair in knowledge.forbidden if pair[::-1] not in knowledge.forbidden]
        if knowledge.tiers or knowledge.required or one_way:
            raise MethodMismatch(
                "The knowledge has directions; FCI of causal-learn needs knowledge without: it would take 'no cause' "
                "for 'caused by', and rule out the hidden causes that FCI is for.",
                hint="learn without this knowledge and compare, or use PC() if there are no hidden common causes",
            )
        return super().choose(data, knowledge)

    def learn(
        self, matrix: FloatArray, names: tuple[str, ...], criterion: str, knowledge: Knowledge
    ) -> tuple[MarkedEdge, ...]:
        """The edges."""
        return search_fci(matrix, names, self.alpha, criterion, self.most_tests, knowledge)


@public_value
@dataclass(frozen=True, kw_only=True)
class GES:
    """Add the edge that improves the score most, until none does; then remove edges likewise.

    **Answers** which graphs without hidden common causes fit the data best for their number of edges (a CPDAG).

    It takes no knowledge, and at most 20 columns.

    Args:
        score: "bic" for numbers, "bdeu" for categories; default by what the columns hold.

    Raises:
        InvalidSetting: for another score.

    References:
        Chickering 2002 (jmlr.org/papers/v3/chickering02b.html).
    """

    score: Score | None = None

    name: ClassVar[str] = "GES"
    kind: ClassVar[Kind] = "pdag"

    def __post_init__(self) -> None:
        if self.score not in (None, *get_args(Score)):
            raise InvalidSetting(f'score is {self.score!r}; GES needs "bic" or "bdeu".', hint='GES(score="bic")')

    def choose(self, data: LearningData, knowledge: Knowledge) -> str:
        """The score for these columns."""
        if knowledge.names:
            raise MethodMismatch(
                "There is knowledge of the graph; GES of causal-learn takes none.", hint="method=PC(), which does"
            )
        if len(data.names) > MOST_COLUMNS:
            raise InvalidSetting(
                f"There are {len(data.names)} columns; GES needs at most {MOST_COLUMNS}.",
                hint="name fewer with columns=[…], or use PC()",
            )
        found = self.score or ("bic" if _scale(data, self.name) == "numbers" else "bdeu")
        if found == "bdeu" and len(data.names) < 3:
            raise InvalidSetting(
                "There are two columns; the BDeu score of causal-learn needs at least three.", hint='PC(test="gsq")'
            )
        return found

    def words(self, criterion: str) -> str:
        """The method in words."""
        return f"{self.name} ({WORDS[criterion]})"

    def assumptions(self, criterion: str) -> tuple[Assumption, ...]:
        """What must be true for the learned graph to be right."""
        return NO_HIDDEN_CAUSES, FAITHFUL, SHAPE[criterion], INDEPENDENT_ROWS

    def learn(
        self, matrix: FloatArray, names: tuple[str, ...], criterion: str, knowledge: Knowledge
    ) -> tuple[MarkedEdge, ...]:
        """The edges."""
        return search_ges(matrix, names, "local_score_BIC" if criterion == "bic" else "local_score_BDeu")


def _scale(data: LearningData, name: str) -> str:
    if data.scale is None:
        raise MethodMismatch(
            f"Some columns hold numbers and others categories (text, or at most ten values); {name} needs all of one "
            "kind, as no test of causal-learn serves both.",
            hint='cut the numbers into classes; or read 0/1 columns as numbers, with test="fisherz" (GES: score="bic")',
        )
    return data.scale
