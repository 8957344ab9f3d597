"""One small real index for all tests of retrieval, and its pieces as the modules hand them on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from semsearch.indexing import IndexOptions, index_folders
from semsearch.retrieval.options import SearchOptions
from semsearch.retrieval.plan import plan_query
from semsearch.retrieval.query_encoder import QueryEncoder
from semsearch.retrieval.query_syntax import plain_query
from semsearch.retrieval.searcher import Searcher
from semsearch.store.opening import open_store
from semsearch.store.protocol import Snapshot
from tests.support.folders import NOTES, write
from tests.support.made_texts import texts
from tests.support.pdf import make_pdf
from tests.support.planning import Planner

COPY = (
    "The lighthouse keeper writes down the wind, the tide and the height of the waves every evening before he lights"
    " the lamp and goes to bed.\n"
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Notes, forty short texts, a text that stands in two files, a manual of many chunks, and a PDF of two pages."""
    path = tmp_path_factory.mktemp("retrieval") / "folder"
    manual = "# Manual\n\n" + "\n\n".join(
        f"## Engine {number}\n\n" + "\n".join(f"Step {step}: turn bolt {number * 100 + step}." for step in range(12))
        for number in range(9)
    )
    write(path, {**NOTES, "manual.md": manual, "keeper.txt": COPY, "copies/keeper.txt": COPY})
    write(path, {f"made/{name}": text for name, text in texts(40, 5).items()})
    write(path, {"tides.pdf": make_pdf(["The spring tide comes at new moon.", "The neap tide comes at half moon."])})
    return path


@pytest.fixture(scope="session")
def index(folder: Path) -> str:
    """The index of `folder`, with the static model."""
    index_folders([str(folder)], None, IndexOptions(model="static", chunk_size=60, overlap=10))
    return str(folder / ".semsearch")


@pytest.fixture
def searcher(index: str) -> Iterator[Searcher]:
    with Searcher(index) as opened:
        yield opened


@pytest.fixture(scope="session")
def snapshot(index: str) -> Iterator[Snapshot]:
    """A committed state of the index, open for the whole session."""
    store = open_store(index)
    opened: list[Snapshot] = []
    store.read(opened.append)
    yield opened[0]
    store.close()


@pytest.fixture(scope="session")
def encoder() -> Iterator[QueryEncoder]:
    encoder = QueryEncoder(lambda message: None, "")
    yield encoder
    encoder.close()


@pytest.fixture
def planned(snapshot: Snapshot, encoder: QueryEncoder, index: str) -> Planner:
    """`planned("query", mode="lexical", ...)`: the plan of a query under these options."""
    return lambda query, **options: plan_query(snapshot, plain_query(query), SearchOptions(**options), encoder, index)
