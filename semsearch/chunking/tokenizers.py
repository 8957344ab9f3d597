"""Tokenizers as this package uses them: where each token of a text starts and ends. One class for each library."""

from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import UsageError

# (n, 2): the first character of each token, and the one after its last.
Spans = NDArray[np.int64]


class Tokenizer(Protocol):
    """Measures text in tokens."""

    name: str

    def spans(self, text: str) -> Spans:
        """(n, 2) int64: start and end of each token of `text` in characters, without special tokens."""
        ...


class SubwordTokenizer:
    """The embedder's own tokenizer: a `tokenizer.json` of the Hugging Face tokenizers library at `path`."""

    def __init__(self, name: str, path: str) -> None:
        from tokenizers import Tokenizer as Backend

        self.name = name
        self.path = path
        self._backend = Backend.from_file(path)
        self._backend.no_padding()
        self._backend.no_truncation()

    def spans(self, text: str) -> Spans:
        """See `Tokenizer.spans`."""
        return np.array(self._backend.encode(text, add_special_tokens=False).offsets, np.int64).reshape(-1, 2)

    def special_tokens(self) -> int:
        """How many special tokens, such as [CLS] and [SEP], the model adds to a text."""
        return int(self._backend.num_special_tokens_to_add(False))

    def ids(self, text: str, window: int) -> NDArray[np.int64]:
        """(n,) int64: the token ids that the model gets, special tokens included, cut to `window`."""
        encoding = self._backend.encode(text, add_special_tokens=False)
        encoding.truncate(window - self._backend.num_special_tokens_to_add(False))
        return np.array(self._backend.post_process(encoding).ids, np.int64)

    def plain_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, without special tokens."""
        return [encoding.ids for encoding in self._backend.encode_batch_fast(list(texts), add_special_tokens=False)]

    def tokens(self, text: str) -> Sequence[str]:
        """The tokens of `text` as strings, without special tokens."""
        tokens: list[str] = self._backend.encode(text, add_special_tokens=False).tokens
        return tokens


class TiktokenTokenizer:
    """An encoding of OpenAI's tiktoken, called `name`, for API models and for `--tokenizer NAME`.

    Raises `UsageError` for an unknown name, and when the vocabulary is not on this machine.
    """

    def __init__(self, name: str) -> None:
        import tiktoken

        self.name = name
        try:
            self._encoding = tiktoken.get_encoding(name)
        except ValueError:
            known = ", ".join(tiktoken.list_encoding_names())
            raise UsageError(f"no tokenizer called {name}", f"known ones: {known}") from None
        except Exception as error:  # requests' and urllib3's errors, of whichever version tiktoken uses
            raise UsageError(
                f"the vocabulary of {name} is not on this machine ({type(error).__name__})",
                "put it into a folder named by TIKTOKEN_CACHE_DIR, or leave out --tokenizer",
            ) from None

    def spans(self, text: str) -> Spans:
        """See `Tokenizer.spans`."""
        tokens = self._encoding.encode_ordinary(text)
        # A token may begin inside a character. Its start is then that of the character, so that the count of tokens
        # is right.
        starts = np.array(self._encoding.decode_with_offsets(tokens)[1], np.int64)
        ends = np.append(starts[1:], len(text)) if len(starts) else starts
        return np.stack([starts, ends], axis=1)


@cache
def tiktoken_named(name: str) -> TiktokenTokenizer:
    """The encoding called `name`, loaded once. Raises `UsageError` as `TiktokenTokenizer` does."""
    return TiktokenTokenizer(name)
