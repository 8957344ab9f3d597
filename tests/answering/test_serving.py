"""Against a real server: `transformers serve` with a tiny random model. SEMSEARCH_TEST_SERVING names the command."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from semsearch.answering.generative import answer_with_llm
from semsearch.answering.llm import LlmSettings
from tests.support.answer_hits import hit

pytestmark = [
    pytest.mark.serving,
    pytest.mark.skipif(
        not os.environ.get("SEMSEARCH_TEST_SERVING"), reason="SEMSEARCH_TEST_SERVING names no transformers command"
    ),
]
_TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant:"


def make_chat_model(folder: Path) -> Path:
    """A two-layer Llama with random weights and a tokenizer of ASCII characters, so that whatever it says is text."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(7)
    alphabet = [character for character in sorted(pre_tokenizers.ByteLevel.alphabet()) if character.isascii()]
    alphabet += ["\u0120", "\u010a"]  # what byte-level tokenizers write for space and line end
    vocabulary = {token: number for number, token in enumerate(["<s>", "</s>", *alphabet])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<s>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    tokenizer.chat_template = _TEMPLATE
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=8192, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).eval().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    folder = make_chat_model(tmp_path_factory.mktemp("model"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "log").open("wb")
    command = [os.environ["SEMSEARCH_TEST_SERVING"], "serve", "--device", "cpu"]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        stdout=log, stderr=log, env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub")},
    )  # fmt: skip
    try:
        for _ in range(240):
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).read()
                break
            except OSError:
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


@pytest.mark.parametrize("stream", [False, True])
def test_a_real_server_answers_and_nonsense_is_marked(served: tuple[str, str], stream: bool) -> None:
    url, model = served
    pieces: list[str] = []
    settings = LlmSettings(model, url, timeout=120, context_window=4096, answer_tokens=40)
    sources = [hit("The pump runs at 50 Hz.")]
    answer = answer_with_llm("how fast does the pump run", sources, settings, pieces.append if stream else None)
    assert answer.text
    assert bool(pieces) == stream
    assert not answer.citations or answer.unsupported, "a random model cannot cite truly"
