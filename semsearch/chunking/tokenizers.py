"""Tokenizers as rulers: where each token of a text starts and ends. One class per library."""

from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import UsageError

Spans = NDArray[np.int64]


class Tokenizer(Protocol):
    """Measures text in tokens."""

    name: str

    def spans(self, text: str) -> Spans:
        """(n, 2) int64: first and past-last character of each token, special tokens left out."""
        ...


class SubwordTokenizer:
    """A `tokenizer.json` of the Hugging Face tokenizers library: the embedder's own ruler."""

    def __init__(self, name: str, path: str) -> None:
        from tokenizers import Tokenizer as Backend

        self.name = name
        self.path = path
        self._backend = Backend.from_file(path)
        self._backend.no_padding()
        self._backend.no_truncation()

    def spans(self, text: str) -> Spans:
        return np.array(self._backend.encode(text, add_special_tokens=False).offsets, np.int64).reshape(-1, 2)

    def special_tokens(self) -> int:
        """How many tokens of a window the model's own marks take, such as [CLS] and [SEP]."""
        return int(self._backend.num_special_tokens_to_add(False))

    def ids(self, text: str, window: int) -> NDArray[np.int64]:
        """(n,) int64 token ids with the model's own marks, at most `window`: what the model is fed."""
        encoding = self._backend.encode(text, add_special_tokens=False)
        encoding.truncate(window - self._backend.num_special_tokens_to_add(False))
        return np.array(self._backend.post_process(encoding).ids, np.int64)

    def plain_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids without the model's marks, of each text."""
        return [encoding.ids for encoding in self._backend.encode_batch_fast(list(texts), add_special_tokens=False)]

    def tokens(self, text: str) -> Sequence[str]:
        """The subwords themselves."""
        tokens: list[str] = self._backend.encode(text, add_special_tokens=False).tokens
        return tokens


class TiktokenTokenizer:
    """An encoding of OpenAI's tiktoken, for API models and for whoever asks for it by name."""

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
        tokens = self._encoding.encode_ordinary(text)
        # A token may end inside a character; its start is then that character's, so sizes stay true to tokens.
        starts = np.array(self._encoding.decode_with_offsets(tokens)[1], np.int64)
        ends = np.append(starts[1:], len(text)) if len(starts) else starts
        return np.stack([starts, ends], axis=1)


@cache
def tiktoken_named(name: str) -> TiktokenTokenizer:
    return TiktokenTokenizer(name)
