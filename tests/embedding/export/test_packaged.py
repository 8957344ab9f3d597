"""The packaged model is prepared without PyTorch, and agrees with sentence-transformers as it is known to."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from semsearch.embedding.calibration import sample_texts
from semsearch.embedding.embedder import unit_rows
from semsearch.embedding.export import packaged
from semsearch.embedding.resolve import resolve
from semsearch.settings import DEFAULT_MODEL
from tests.support.folders import PROJECT


@pytest.mark.slow
def test_the_known_vectors_are_those_of_sentence_transformers() -> None:
    """With SEMSEARCH_TEST_VECTORS=write they are made anew."""
    from sentence_transformers import SentenceTransformer

    source = resolve(DEFAULT_MODEL)
    model = SentenceTransformer(source.folder, device="cpu", local_files_only=True)
    vectors = unit_rows(np.asarray(model.encode(sample_texts(), batch_size=8, show_progress_bar=False)))
    if os.environ.get("SEMSEARCH_TEST_VECTORS") == "write":
        path = PROJECT / "semsearch" / "embedding" / "export" / "packaged_vectors.npz"
        np.savez(path, vectors=vectors.astype(np.float16), fingerprint=np.array(source.fingerprint))
    known = packaged.known_vectors(source.fingerprint)
    assert known is not None and packaged.known_vectors("0" * 64) is None
    np.testing.assert_allclose(known.astype(np.float32), vectors, atol=1e-3)


def test_it_is_prepared_without_pytorch(tmp_path: Path) -> None:
    source = resolve(DEFAULT_MODEL)
    code = """if True:
        import sys
        from semsearch.embedding.export.packaged import export_packaged
        record = export_packaged(*sys.argv[1:])
        assert record["mean_cosine_with_reference"]["onnx-int8"] >= 0.985
        assert record["info"]["calibration"]["separation"] > 5
        heavy = {"torch", "transformers", "sentence_transformers"} & set(sys.modules)
        assert not heavy, heavy
    """
    arguments = ["x", source.folder, source.fingerprint, str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.ort", "tokenizer.json"]
    assert b"MultiHeadAttention" in (tmp_path / "model.ort").read_bytes()


def test_other_weights_are_exported_as_those_of_any_model(tmp_path: Path) -> None:
    assert packaged.export_packaged("x", resolve(DEFAULT_MODEL).folder, "0" * 64, str(tmp_path)) is None
    assert not list(tmp_path.iterdir())
