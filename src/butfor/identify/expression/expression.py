"""The one type of estimands: probabilities, products, sums and ratios, kept simple while they are built.

`product`, `total` (the sum) and `ratio` are the only ways in which the rest of the package builds expressions; each
simplifies what it returns by identities of probability: a sum over an outcome removes it, factors without the index
leave the sum, equal factors cancel, P(a | b, c) P(b | c) is P(a, b | c).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from butfor.core.serial import public_value

if TYPE_CHECKING:
    from typing import Self


@public_value
@dataclass(frozen=True, order=True)
class Variable:
    """A column in a role: `x` for the value that is asked about, `x'` for another value of the same column."""

    name: str
    primes: int = 0

    def __str__(self) -> str:
        return self.name + "'" * self.primes

    def primed(self) -> Variable:
        """The next value of the same column."""
        return replace(self, primes=self.primes + 1)


Variables = frozenset[Variable]
NONE: Variables = frozenset()


@dataclass(frozen=True, eq=False)
class Expression:
    """What an estimand is made of. Equal expressions are written alike (up to the order of factors)."""

    @cached_property
    def free(self) -> Variables:
        """The variables whose values the expression depends on."""
        raise TypeError(f"{type(self).__name__} is not an expression.")

    @cached_property
    def signature(self) -> tuple[object, ...]:
        """What equality looks at."""
        raise TypeError(f"{type(self).__name__} is not an expression.")

    @property
    def size(self) -> int:
        """How many probabilities the expression has when it is written out."""
        return self._extent[0]

    @property
    def depth(self) -> int:
        """How many expressions lie one inside the other."""
        return self._extent[1]

    @cached_property
    def _extent(self) -> tuple[int, int]:
        # Parts first, without recursion: an expression can be deeper than Python's stack.
        known: dict[int, tuple[int, int]] = {}
        waiting: list[Expression] = [self]
        while waiting:
            top = waiting[-1]
            unknown = [p for p in top.parts if id(p) not in known]
            if unknown:
                waiting += unknown
                continue
            inside = [known[id(p)] for p in top.parts]
            own = int(isinstance(top, Probability))
            known[id(top)] = own + sum(s for s, _ in inside), 1 + max((d for _, d in inside), default=0)
            waiting.pop()
        return known[id(self)]

    @property
    def parts(self) -> tuple[Expression, ...]:
        """What it is built from."""
        return ()

    @cached_property
    def _hash(self) -> int:
        return hash(self.signature)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Expression) and self._hash == other._hash and self.signature == other.signature

    def __str__(self) -> str:
        from butfor.identify.expression.writing import to_text

        return to_text(self)


@public_value
@dataclass(frozen=True, eq=False)
class Probability(Expression):
    """P(of | do(do), given), in a population ("" is the one that is studied).

    >>> str(Probability.of_names("y", given="x"))
    'P(y | x)'
    """

    of: tuple[Variable, ...]
    given: tuple[Variable, ...] = ()
    do: tuple[Variable, ...] = ()
    population: str = ""

    @classmethod
    def of_names(
        cls, *of: str, given: Iterable[str] | str = (), do: Iterable[str] | str = (), population: str = ""
    ) -> Self:
        """From names of columns."""
        conditions, interventions = ((names,) if isinstance(names, str) else tuple(names) for names in (given, do))
        return cls(
            tuple(map(Variable, of)), tuple(map(Variable, conditions)), tuple(map(Variable, interventions)), population
        )

    @cached_property
    def free(self) -> Variables:
        """All its variables."""
        return frozenset((*self.of, *self.given, *self.do))

    @cached_property
    def signature(self) -> tuple[object, ...]:
        """Sets of variables."""
        return (frozenset(self.of), self.condition, frozenset(self.do), self.population)

    @cached_property
    def condition(self) -> Variables:
        """The given variables."""
        return frozenset(self.given)

    @cached_property
    def begins(self) -> tuple[object, ...]:
        """What another probability must have as its conditions to be joined with this one."""
        return (self.condition.union(self.of), frozenset(self.do), self.population)

    @cached_property
    def joins(self) -> tuple[object, ...]:
        """What another probability must begin with."""
        return (self.condition, frozenset(self.do), self.population)


@public_value
@dataclass(frozen=True, eq=False)
class Product(Expression):
    """Factors, none of them a product; the empty one is 1."""

    factors: tuple[Expression, ...] = ()

    @property
    def parts(self) -> tuple[Expression, ...]:
        """Its parts."""
        return self.factors

    @cached_property
    def free(self) -> Variables:
        """Those of the factors."""
        return NONE.union(*(f.free for f in self.factors))

    @cached_property
    def signature(self) -> tuple[object, ...]:
        """The factors, counted."""
        return ("product", frozenset(Counter(self.factors).items()))


@public_value
@dataclass(frozen=True, eq=False)
class Sum(Expression):
    """The body, summed over all values of some variables."""

    over: tuple[Variable, ...]
    body: Expression

    @property
    def parts(self) -> tuple[Expression, ...]:
        """Its parts."""
        return (self.body,)

    @cached_property
    def free(self) -> Variables:
        """Those of the body that are not summed over."""
        return self.body.free - frozenset(self.over)

    @cached_property
    def signature(self) -> tuple[object, ...]:
        """Index and body."""
        return ("sum", frozenset(self.over), self.body)


@public_value
@dataclass(frozen=True, eq=False)
class Ratio(Expression):
    """Numerator over denominator."""

    numerator: Expression
    denominator: Expression

    @property
    def parts(self) -> tuple[Expression, ...]:
        """Its parts."""
        return (self.numerator, self.denominator)

    @cached_property
    def free(self) -> Variables:
        """Those of both."""
        return self.numerator.free | self.denominator.free

    @cached_property
    def signature(self) -> tuple[object, ...]:
        """Both."""
        return ("ratio", self.numerator, self.denominator)


@public_value
@dataclass(frozen=True, eq=False)
class Zero(Expression):
    """What cannot happen."""

    @cached_property
    def free(self) -> Variables:
        """None."""
        return NONE

    @cached_property
    def signature(self) -> tuple[object, ...]:
        """Itself."""
        return ("zero",)


ONE = Product()
ZERO = Zero()


# --- building ----------------------------------------------------------------------------------------------------


def product(factors: Iterable[Expression]) -> Expression:
    """The product, flat, with chains of conditional probabilities joined."""
    flat: list[Expression] = []
    for factor in factors:
        if isinstance(factor, Zero):
            return ZERO
        flat.extend(factor.factors if isinstance(factor, Product) else (factor,))
    joined = _joined(flat)
    return joined[0] if len(joined) == 1 else Product(tuple(joined))


def total(over: Iterable[Variable], body: Expression) -> Expression:
    """The body summed over variables, with what does not depend on them moved out.

    Every variable in `over` must be an outcome of some probability in the body or be free there: a sum over what the
    body does not depend on would multiply it by the number of values, and no estimand does that.
    """
    index = [v for v in dict.fromkeys(over) if v in body.free]
    if isinstance(body, Zero) or not index:
        return body
    if isinstance(body, Sum) and not set(body.over) & set(index):
        return total((*body.over, *index), body.body)
    factors = list(body.factors) if isinstance(body, Product) else [body]
    before = -1
    while before != len(factors):
        index, factors = _summed_out(index, factors)
        before = len(factors)
        factors = _joined(factors)
    inner = [f for f in factors if f.free & set(index)]
    outer = [f for f in factors if not f.free & set(index)]
    if not inner:
        return product(outer)
    return product((*outer, Sum(tuple(index), product(inner))))


def ratio(numerator: Expression, denominator: Expression) -> Expression:
    """The quotient, with what occurs in both cancelled."""
    if isinstance(numerator, Zero):
        return ZERO
    top = list(numerator.factors) if isinstance(numerator, Product) else [numerator]
    bottom = list(denominator.factors) if isinstance(denominator, Product) else [denominator]
    for factor in list(bottom):
        if factor in top:
            top.remove(factor)
            bottom.remove(factor)
            continue
        for place, other in enumerate(top):
            if (quotient := _conditional(other, factor)) is not None:
                top[place] = quotient
                bottom.remove(factor)
                break
    above, below = product(top), product(bottom)
    return above if below == ONE else Ratio(above, below)


def _summed_out(index: list[Variable], factors: list[Expression]) -> tuple[list[Variable], list[Expression]]:
    """What is left of the index and of the factors after each sum over an outcome of a single factor is done."""
    slots = list(factors)
    holders: dict[Variable, set[int]] = {v: set() for v in index}
    for i, factor in enumerate(slots):
        for v in factor.free & holders.keys():
            holders[v].add(i)
    ready = index
    while ready:
        again: dict[Variable, None] = {}
        # Effects are summed out before their causes, which they hold.
        for v in reversed(ready):
            place = next(iter(holders[v])) if len(holders.get(v, ())) == 1 else -1
            factor = slots[place]
            if place >= 0 and isinstance(factor, Probability) and v in factor.of:
                slots[place] = _without(factor, v)
                for gone in (factor.free - slots[place].free) & holders.keys():
                    holders[gone].discard(place)
                    again[gone] = None
                del holders[v]
        ready = [v for v in again if v in holders]
    return [v for v in index if v in holders], [f for f in slots if f is not ONE]


def _without(probability: Expression, variable: Variable) -> Expression:
    """P(a, v | c) summed over v."""
    assert isinstance(probability, Probability)
    rest = tuple(v for v in probability.of if v != variable)
    return replace(probability, of=rest) if rest else ONE


def _joined(factors: list[Expression]) -> list[Expression]:
    """P(a | b, c) P(b | c) as P(a, b | c), wherever two factors fit."""
    out = factors
    while (pair := _chain(out)) is not None:
        first, second = (f for f in (out[pair[0]], out[pair[1]]) if isinstance(f, Probability))
        merged = replace(first, of=(*first.of, *second.of), given=second.given)
        position = min(pair)
        out = [f for i, f in enumerate(out) if i not in pair]
        out.insert(position, merged)
    return list(out)


def _chain(factors: list[Expression]) -> tuple[int, int] | None:
    """Where a probability is, and one whose outcomes and conditions are its conditions."""
    probabilities = [(i, f) for i, f in enumerate(factors) if isinstance(f, Probability)]
    beginning: dict[tuple[object, ...], list[int]] = {}
    for i, f in probabilities:
        beginning.setdefault(f.begins, []).append(i)
    for i, f in probabilities:
        for j in beginning.get(f.joins, ()) if f.given else ():
            if j != i:
                return i, j
    return None


def _conditional(top: Expression, bottom: Expression) -> Expression | None:
    """P(a, b | c) / P(b | c) as P(a | b, c), also inside a sum over other variables."""
    if isinstance(top, Sum) and not bottom.free & frozenset(top.over):
        factors = top.body.factors if isinstance(top.body, Product) else (top.body,)
        for place, factor in enumerate(factors):
            inside = ONE if factor == bottom else _conditional(factor, bottom)
            if inside is not None:
                return total(top.over, product((*factors[:place], inside, *factors[place + 1 :])))
        return None
    if not (isinstance(top, Probability) and isinstance(bottom, Probability)):
        return None
    same = top.population == bottom.population and frozenset(top.do) == frozenset(bottom.do)
    if not same or frozenset(top.given) != frozenset(bottom.given) or not set(bottom.of) < set(top.of):
        return None
    return replace(top, of=tuple(v for v in top.of if v not in bottom.of), given=(*bottom.of, *top.given))


def variables_of(expression: Expression) -> tuple[Variable, ...]:
    """Every variable of an expression, bound or free, each once."""
    match expression:
        case Probability():
            found = [*expression.of, *expression.given, *expression.do]
        case Product():
            found = [v for f in expression.factors for v in variables_of(f)]
        case Sum():
            found = [*expression.over, *variables_of(expression.body)]
        case Ratio():
            found = [*variables_of(expression.numerator), *variables_of(expression.denominator)]
        case _:
            found = []
    return tuple(dict.fromkeys(found))


# --- names of bound variables ------------------------------------------------------------------------------------


def with_clear_names(expression: Expression) -> Expression:
    """The same estimand, in which no index of a sum has the name of something else in sight."""
    return _renamed(expression, expression.free, {})


def _renamed(expression: Expression, taken: Variables, names: Mapping[Variable, Variable]) -> Expression:
    match expression:
        case Probability():
            groups = {key: tuple(names.get(v, v) for v in getattr(expression, key)) for key in ("of", "given", "do")}
            return replace(expression, **groups)
        case Product():
            return Product(tuple(_renamed(f, taken, names) for f in expression.factors))
        case Ratio():
            return Ratio(*(_renamed(e, taken, names) for e in (expression.numerator, expression.denominator)))
        case Sum():
            fresh = dict(names)
            for v in expression.over:
                new = v
                while new in taken:
                    new = new.primed()
                fresh[v] = new
                taken |= {new}
            return Sum(tuple(fresh[v] for v in expression.over), _renamed(expression.body, taken, fresh))
        case _:
            return expression


def substituted(expression: Expression, values: Mapping[Variable, Variable]) -> Expression:
    """The expression with free variables replaced by other values of the same columns."""
    clear = _renamed(expression, expression.free | frozenset(values.values()), {})
    return _replaced(clear, values)


def _replaced(expression: Expression, values: Mapping[Variable, Variable]) -> Expression:
    bound = frozenset(expression.over) if isinstance(expression, Sum) else NONE
    here = {a: b for a, b in values.items() if a not in bound}
    match expression:
        case Sum():
            return Sum(expression.over, _replaced(expression.body, here))
        case Product():
            return Product(tuple(_replaced(f, here) for f in expression.factors))
        case Ratio():
            return Ratio(_replaced(expression.numerator, here), _replaced(expression.denominator, here))
        case Probability():
            return _renamed(expression, NONE, here)
        case _:
            return expression
