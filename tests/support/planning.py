"""The type of the fixture `planned` of the tests of retrieval."""

from collections.abc import Callable

from semsearch.retrieval.plan import QueryPlan

# (query, options by name) -> the plan of the query.
Planner = Callable[..., QueryPlan]
