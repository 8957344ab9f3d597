"""A store whose vectors a vector database keeps, told as one that keeps them itself, for suites that know no other."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from semsearch.store.protocol import Snapshot, Store
from semsearch.store.records import IndexInfo
from semsearch.vector_engines.opening import remember

Answer = TypeVar("Answer")


class _Around:
    """What is not said here is that of `inner`."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class _Snapshot(_Around):
    def info(self) -> IndexInfo:
        return replace(self.inner.info(), vectors_at=None)


class _Transaction(_Around):
    def __init__(self, inner: Any, url: str) -> None:
        super().__init__(inner)
        self._url = url

    def update(self, info: IndexInfo) -> None:
        self.inner.update(replace(info, vectors_at=self._url))


class _Writer(_Around):
    def __init__(self, inner: Any, url: str) -> None:
        super().__init__(inner)
        self._url = url

    def __enter__(self) -> "_Writer":
        self.inner.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self.inner.__exit__(*details)

    def snapshot(self) -> Any:
        return _Snapshot(self.inner.snapshot())

    @contextmanager
    def transaction(self) -> Iterator[_Transaction]:
        with self.inner.transaction() as transaction:
            yield _Transaction(transaction, self._url)


class _Store(_Around):
    def __init__(self, inner: Store, url: str) -> None:
        super().__init__(inner)
        self._url = url

    def read(self, question: Callable[[Snapshot], Answer]) -> Answer:
        asked: Answer = self.inner.read(lambda snapshot: question(_Snapshot(snapshot)))  # type: ignore[arg-type]
        return asked

    def write(self, *arguments: Any, **named: Any) -> _Writer:
        return _Writer(self.inner.write(*arguments, **named), self._url)


def elsewhere(store: Store, url: str) -> Store:
    """`store` with its vectors at `url` from the first `update` on."""
    remember(url)
    around: Any = _Store(store, url)
    kept: Store = around
    return kept
