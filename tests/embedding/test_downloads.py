"""Which files of a repository are downloaded."""

from semsearch.embedding.downloads import wanted_files

COMMON = {"config.json", "modules.json", "tokenizer.json", "vocab.txt", "1_Pooling/config.json"}


def test_what_a_model_consists_of_is_downloaded_and_nothing_else() -> None:
    others = {"onnx/model.onnx", "onnx/config.json", "openvino/x.json", "README.md", "rust_model.ot", "modeling.py"}
    files = COMMON | {"model.safetensors", "pytorch_model.bin", "2_Dense/model.safetensors", "2_Dense/config.json"}
    assert wanted_files(sorted(files | others), code=False) == files - {"pytorch_model.bin"}
    assert wanted_files(sorted(files | others), code=True) == files - {"pytorch_model.bin"} | {"modeling.py"}


def test_late_interaction_models_get_their_heads() -> None:
    colbert = COMMON | {"artifact.metadata", "pytorch_model.bin"}
    assert wanted_files(sorted(colbert), code=False) == colbert
    bge = COMMON | {"colbert_linear.pt", "sparse_linear.pt", "pytorch_model.bin"}
    assert wanted_files(sorted(bge | {"imgs/a.jpg"}), code=False) == bge
