"""Translates one SELECT to a query: its columns, groups, order and limits."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from storekit.qcache.query import (
    Aggregate,
    Aliased,
    Column,
    Expression,
    Query,
    col,
    count,
    first,
    last,
    max_,
    mean,
    median,
    min_,
    nunique,
    std,
    sum_,
    var,
)
from storekit.qcache.query.forms import columns_of
from storekit.qcache.sql.errors import Refused
from storekit.qcache.sql.values import Scope

__all__ = ["AGGREGATES", "translate"]

_CLAUSES = frozenset(
    {"expressions", "from_", "where", "group", "having", "distinct", "order", "limit", "offset"}
)
AGGREGATES: dict[type[exp.Expr], Callable[[Expression | str], Aggregate]] = {
    exp.Sum: sum_,
    exp.Avg: mean,
    exp.Min: min_,
    exp.Max: max_,
    exp.Stddev: std,
    exp.StddevSamp: std,
    exp.Variance: var,
    exp.Median: median,
    exp.First: first,
    exp.Last: last,
}


def translate(select: exp.Expr) -> tuple[str, Query]:
    """Return the table of a SELECT, and the equivalent query. Raises `Refused`."""
    while isinstance(select, exp.Subquery | exp.Paren):
        select = select.this
    if not isinstance(select, exp.Select):
        raise Refused(select, "only SELECT can be translated to a query")
    return _Select(select).translate()


class _Select:
    """The parts of one SELECT."""

    def __init__(self, select: exp.Select) -> None:
        for name, value in select.args.items():
            if value and name not in _CLAUSES:
                part = value[0] if isinstance(value, list) else value
                node = part if isinstance(part, exp.Expr) else select
                raise Refused(node, f"QCache has no equivalent of {name.rstrip('s').upper()}")
        self.select = select
        self.key, table, self.source = _source(select)
        self.scope = Scope(table, self.key, translate)
        self.items = self._items()
        self.made = 0
        self.aggregated: Query | None = None

    def translate(self) -> tuple[str, Query]:
        query = Query() if self.source is None else Query().from_(self.source)
        if (where := self.select.args.get("where")) is not None:
            query = query.where(self.scope.condition(where.this))
        grouped = self.select.args.get("group") is not None or any(
            _aggregates(node) for _, node in self.items
        )
        if grouped:
            query = self._aggregated(query)
        elif self.select.args.get("having") is not None:
            raise Refused(self.select.args["having"], "HAVING needs GROUP BY or an aggregate")
        return self.key, self._finish(query)

    def _items(self) -> list[tuple[str, exp.Expr]]:
        """Return names and expressions; none for `*`."""
        expressions = self.select.expressions
        if len(expressions) == 1 and isinstance(expressions[0], exp.Star):
            return []
        found: list[tuple[str, exp.Expr]] = []
        for each in expressions:
            node = each.this if isinstance(each, exp.Alias) else each
            if isinstance(node, exp.Star) or (
                isinstance(node.this, exp.Star) and isinstance(node, exp.Column)
            ):
                raise Refused(each, "* cannot be combined with other columns")
            if (window := node.find(exp.Window)) is not None:
                raise Refused(window, "QCache has no equivalent of WINDOW functions")
            if isinstance(each, exp.Alias):
                found.append((each.alias, node))
            elif isinstance(node, exp.Column):
                found.append((node.name, node))
            elif isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
                found.append(("count", node))
            elif type(node) in AGGREGATES and isinstance(node.this, exp.Column):
                found.append((f"{node.key}_{node.this.name}", node))
            else:
                raise Refused(each, "an expression needs a name: ... AS name")
        return found

    # Groups

    def _aggregated(self, query: Query) -> Query:
        """Compute all aggregates, so that the rest can use them and the groups as columns."""
        if not self.items:
            raise Refused(self.select, "* cannot be used with groups: name the columns")
        keys: list[Column] = []
        for node in self._group_nodes():
            if isinstance(node, exp.Column):
                keys.append(self.scope.column(node))
                continue
            raise Refused(node, "QCache groups only by columns: compute this in a sub-query first")
        having = self.select.args.get("having")
        order = self.select.args.get("order")
        wanted = dict.fromkeys(
            node
            for root in [*(node for _, node in self.items), having, order]
            if root is not None
            for node in _aggregates(root)
        )
        taken = {each.name for each in keys} | {name for name, _ in self.items}
        places: dict[exp.Expr, str] = {}
        for name, node in self.items:  # an aggregate that is selected as it is has its final name
            if isinstance(node, exp.AggFunc):
                places.setdefault(node, name)
        for node in wanted:
            if node not in places:
                places[node] = self._fresh("a", taken)
        aggregates = [self._aggregate(node).as_(places[node]) for node in wanted]
        if not aggregates:
            return query.select(*keys).distinct() if keys else query
        query = query.select(*keys, *aggregates)
        if keys:
            query = query.group_by(*keys)
        self.scope.replaced = {node: Column(name) for node, name in places.items()}
        self.scope.groups = {each.name for each in keys}
        if having is not None:
            query = Query().from_(query).where(self.scope.condition(having.this))
        self.aggregated = query
        return query

    def _group_nodes(self) -> list[exp.Expr]:
        group = self.select.args.get("group")
        if group is None:
            return []
        plain = not any(value for name, value in group.args.items() if name != "expressions")
        if not plain or group.find(exp.Cube, exp.Rollup, exp.GroupingSets):
            raise Refused(group, "QCache has only plain GROUP BY")
        named = dict(self.items)
        found: list[exp.Expr] = []
        for node in group.expressions:
            if isinstance(node, exp.Literal) and not node.is_string:
                found.append(self._by_position(node))
            elif (
                isinstance(node, exp.Column)
                and node.name in named
                and not _aggregates(named[node.name])
            ):
                found.append(named[node.name])
            else:
                found.append(node)
        return found

    def _aggregate(self, node: exp.Expr) -> Aggregate:
        argument = node.this
        if isinstance(node, exp.Count):
            if node.expressions:
                raise Refused(node, "QCache counts rows, or the values of one column")
            if isinstance(argument, exp.Distinct):
                (inner,) = argument.expressions
                return nunique(self.scope.expression(inner))
            if isinstance(argument, exp.Star | exp.Literal):
                return count()
            return count(self.scope.expression(argument))
        if type(node) not in AGGREGATES or isinstance(argument, exp.Distinct | exp.Order):
            raise Refused(node, "QCache has no such aggregate")
        return AGGREGATES[type(node)](self.scope.expression(argument))

    # Names, order, limits

    def _finish(self, query: Query) -> Query:
        distinct = self.select.args.get("distinct")
        if distinct is not None and distinct.args.get("on") is not None:
            raise Refused(distinct, "QCache has no equivalent of DISTINCT ON")
        order, hidden = self._order(query)
        if hidden and distinct is not None:
            raise Refused(
                self.select.args["order"], "SELECT DISTINCT can be sorted by its own columns only"
            )
        query = self._name_columns(query, hidden)
        if distinct is not None:
            query = query.distinct()
        if order:
            query = query.order_by(*order)
        for clause in ("offset", "limit"):
            if (node := self.select.args.get(clause)) is not None:
                query = getattr(query, clause)(_rows(node))
        if hidden:
            query = Query().from_(query).select(*(name for name, _ in self.items))
        return query

    def _name_columns(self, query: Query, hidden: list[tuple[str, Expression]]) -> Query:
        if not self.items:
            return query
        names = tuple(name for name, _ in self.items)
        if self.aggregated is not None:
            if not hidden and query.names == names and self._are_names():
                return query
            query = Query().from_(query)
        chosen = [(name, self.scope.expression(node)) for name, node in self.items] + hidden
        if not _overlap(chosen):
            return query.select(*(_named(name, each) for name, each in chosen))
        # In QCache, a column can refer to names before it in the same select; in SQL it cannot.
        # So the columns are computed under other names first, and then renamed.
        taken = {name for name, _ in chosen} | {n for _, each in chosen for n in columns_of(each)}
        steps = [(self._fresh("s", taken), name, each) for name, each in chosen]
        query = query.select(*(each.as_(step) for step, _, each in steps))
        return Query().from_(query).select(*(col(step).as_(name) for step, name, _ in steps))

    def _are_names(self) -> bool:
        """Whether all selected expressions are columns that have their final names."""
        return all(
            isinstance(each := self.scope.expression(node), Column) and each.name == name
            for name, node in self.items
        )

    def _order(self, query: Query) -> tuple[list[str], list[tuple[str, Expression]]]:
        """Return the columns to sort by, and those of them that the result must not have."""
        order = self.select.args.get("order")
        keys: list[str] = []
        hidden: list[tuple[str, Expression]] = []
        named = dict(self.items)
        for ordered in [] if order is None else order.expressions:
            node = ordered.this
            if ordered.args.get("nulls_first"):
                raise Refused(ordered, "QCache sorts nulls last: write NULLS LAST")
            if isinstance(node, exp.Literal) and not node.is_string:
                node = self._by_position(node)
            name = self._name_of(node, named)
            if name is None:
                taken = {each for each, _ in [*self.items, *hidden]} | set(query.names or ())
                name = self._fresh("o", taken)
                hidden.append((name, self.scope.expression(node)))
            keys.append(f"-{name}" if ordered.args.get("desc") else name)
        return keys, hidden

    def _name_of(self, node: exp.Expr, named: dict[str, exp.Expr]) -> str | None:
        """Return the column of the result that ORDER BY refers to, None if there is none."""
        if isinstance(node, exp.Column) and not node.table and node.name in named:
            return node.name
        for name, each in named.items():
            if each == node:
                return name
        if named:
            return None
        place = self.scope.expression(node)
        if not isinstance(place, Column):
            raise Refused(node, "with *, ORDER BY can name columns of the table only")
        return place.name

    def _by_position(self, node: exp.Literal) -> exp.Expr:
        number = int(node.name) if node.name.isdecimal() else 0
        if not 1 <= number <= len(self.items):
            raise Refused(node, f"there is no column number {node.name}")
        return self.items[number - 1][1]

    def _fresh(self, prefix: str, taken: set[str]) -> str:
        while True:
            self.made += 1
            if (name := f"{prefix}_{self.made}") not in taken:
                return name


def _source(select: exp.Select) -> tuple[str, str, Query | None]:
    """Return the key, the name of the table in qualified columns, and the sub-query in FROM."""
    clause = select.args.get("from_")
    if clause is None:
        raise Refused(select, "FROM is missing: its table is the key")
    node = clause.this
    if isinstance(node, exp.Subquery):
        key, query = translate(node)
        return key, node.alias or key, query
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        raise Refused(node, "QCache queries one table, by its key")
    extra = [name for name, value in node.args.items() if value and name not in ("this", "alias")]
    if extra:
        raise Refused(node, f"QCache has no equivalent of {extra[0].rstrip('s').upper()}")
    return node.name, node.alias or node.name, None


def _aggregates(root: exp.Expr) -> list[exp.Expr]:
    """Return the outermost aggregates in an expression."""
    found: list[exp.Expr] = list(root.find_all(exp.AggFunc))
    return [node for node in found if node is root or node.find_ancestor(exp.AggFunc) is None]


def _named(name: str, expression: Expression) -> Column | Aliased:
    if isinstance(expression, Column) and expression.name == name:
        return expression
    return expression.as_(name)


def _overlap(chosen: list[tuple[str, Expression]]) -> bool:
    """Whether QCache would take the name of an earlier column for a column of the table."""
    made: set[str] = set()
    for name, expression in chosen:
        if made.intersection(columns_of(expression)):
            return True
        if not isinstance(expression, Column) or expression.name != name:
            made.add(name)
    return False


def _rows(node: exp.Expr) -> int:
    number = node.expression
    if not isinstance(number, exp.Literal) or not number.name.isdecimal():
        raise Refused(node, "the number of rows must be a constant")
    rows = int(number.name)
    if isinstance(node, exp.Limit) and not rows:
        raise Refused(node, "for QCache, LIMIT 0 means no limit")
    return rows
