"""Tokenizers as this package uses them: where each token of a text starts. One class for each library."""

import json
import os
import re
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semsearch.errors import ModelError, UsageError, for_shell
from semsearch.shortage import shortage_of

# (n,): the first character of each token.
Starts = NDArray[np.int64]
# Pre-tokenizers after which no token reaches over a blank or an ASCII punctuation mark, and a word has the same tokens
# wherever it stands.
_WORD_BY_WORD = frozenset({"BertPreTokenizer"})
_NORMALIZERS = frozenset({"BertNormalizer"})
# Words and punctuation marks of a text in ASCII, as BERT's pre-tokenizer has them; other control characters than these
# blanks are taken out before, and are left to the library.
_ASCII_WORD = re.compile(r"[A-Za-z0-9]+|[!-/:-@\[-`{-~]")
# Byte -> 1: a letter or digit, 2: a punctuation mark, 0: blank.
_KINDS = np.array([1 if chr(code).isalnum() else 2 if 32 < code < 127 else 0 for code in range(128)], np.uint8)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_CONTROLS = re.compile(r"[^\n\t\r -~]")
_MOST_WORDS = 500_000


class Tokenizer(Protocol):
    """Measures text in tokens."""

    name: str

    def starts(self, text: str) -> Starts:
        """(n,) int64: where each token of `text` starts, in characters, without special tokens."""
        ...


class SubwordTokenizer:
    """The embedder's own tokenizer: a `tokenizer.json` of the Hugging Face tokenizers library at `path`."""

    def __init__(self, name: str, path: str) -> None:
        from tokenizers import Tokenizer as Backend

        self.name = name
        self.path = path
        try:
            self._backend = Backend.from_file(path)
        except Exception as error:  # the library raises Exception itself
            if isinstance(error, OSError) or shortage_of(error):
                raise
            raise ModelError(
                f"{path} is damaged: {str(error).splitlines()[0] if str(error) else 'no tokenizer'}",
                f"remove the prepared model and run again: rm -r {for_shell(os.path.dirname(path))}",
            ) from None
        self._backend.no_padding()
        self._backend.no_truncation()
        described = json.loads(self._backend.to_str())
        kinds = [(described.get(part) or {}).get("type") for part in ("normalizer", "pre_tokenizer")]
        self._is_word_by_word = kinds[0] in _NORMALIZERS and kinds[1] in _WORD_BY_WORD
        self._added = [token["content"] for token in described.get("added_tokens") or ()]
        # Word -> where its tokens start in it.
        self._words: dict[str, tuple[int, ...]] = {}

    def starts(self, text: str) -> Starts:
        """See `Tokenizer.starts`.

        A BERT tokenizer is asked for each word once: three times as fast as for the whole text, with the same result.
        """
        if not self._is_word_by_word or any(token in text for token in self._added):
            return self._whole(text)
        if text.isascii() and not _CONTROLS.search(text):
            return self._of_words(text)
        # Line by line, as most lines of a text with other letters have none.
        parts: list[Starts] = []
        held: list[str] = []
        offset = held_at = 0
        for line in _LINE.findall(text):
            if line.isascii() and not _CONTROLS.search(line):
                if not held:
                    held_at = offset
                held.append(line)
            else:
                if held:
                    parts.append(self._of_words("".join(held)) + held_at)
                    held = []
                parts.append(self._whole(line) + offset)
            offset += len(line)
        if held:
            parts.append(self._of_words("".join(held)) + held_at)
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def _whole(self, text: str) -> Starts:
        offsets = self._backend.encode(text, add_special_tokens=False).offsets
        return np.array([start for start, _ in offsets], np.int64)

    def _of_words(self, text: str) -> Starts:
        words = _ASCII_WORD.findall(text)
        kinds = _KINDS[np.frombuffer(text.encode("ascii"), np.uint8)]
        letters = kinds == 1
        begins = np.flatnonzero((kinds == 2) | (letters & ~np.concatenate([[False], letters[:-1]])))
        unknown = list(set(words).difference(self._words))
        if unknown:
            if len(self._words) > _MOST_WORDS:
                self._words.clear()
                unknown = list(set(words))
            for word, encoding in zip(
                unknown, self._backend.encode_batch(unknown, add_special_tokens=False), strict=True
            ):
                self._words[word] = tuple(start for start, _ in encoding.offsets)
        pieces = list(map(self._words.__getitem__, words))
        counts = np.fromiter(map(len, pieces), np.int64, len(pieces))
        inside = np.fromiter(chain.from_iterable(pieces), np.int64, int(counts.sum()))
        return np.repeat(begins, counts) + inside

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

    def starts(self, text: str) -> Starts:
        """See `Tokenizer.starts`."""
        tokens = self._encoding.encode_ordinary(text)
        # A token may begin inside a character. Its start is then that of the character, so that the count of tokens
        # is right.
        return np.array(self._encoding.decode_with_offsets(tokens)[1], np.int64)


@cache
def tiktoken_named(name: str) -> TiktokenTokenizer:
    """The encoding called `name`, loaded once. Raises `UsageError` as `TiktokenTokenizer` does."""
    return TiktokenTokenizer(name)
