"""The process that prepares one model; `cache.prepare_model` starts it. Its last line on stderr says what failed."""

import contextlib
import json
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Sequence

from semsearch import child
from semsearch.embedding.cache import FORMAT
from semsearch.embedding.export.onnx_model import largest_weight
from semsearch.private_files import inherit


def main(arguments: Sequence[str]) -> None:
    """Prepares the model `name` from the weights in `folder` and puts it at `target` with one rename.

    `arguments`: name, folder, target, working (an empty folder beside `target`, which is renamed), fingerprint, kind
    (`transformer`, `static`, `cross-encoder`, `late-interaction`, `sparse`), and `trusted` where code in the folder may
    be run.
    """
    name, folder, target, working, fingerprint, kind, *trusted = arguments
    child.clean_up_first(lambda: shutil.rmtree(working, ignore_errors=True))
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    os.umask(0o077)  # a model that was trained on private documents is private, too
    try:
        with contextlib.redirect_stdout(sys.stderr):
            # Imported here, for each loads libraries that the others do not need.
            if kind == "static":
                from semsearch.embedding.export.static import export_static

                record = export_static(name, folder, fingerprint, working)
            elif kind == "cross-encoder":
                from semsearch.embedding.export.cross_encoder_export import export_cross_encoder

                record = export_cross_encoder(name, folder, working)
            elif kind == "late-interaction":
                from semsearch.embedding.export.late_interaction_export import export_late_interaction

                record = export_late_interaction(name, folder, fingerprint, working)
            elif kind == "sparse":
                from semsearch.embedding.export.sparse_export import export_sparse

                record = export_sparse(name, folder, fingerprint, working, bool(trusted))
            else:
                from semsearch.embedding.export.packaged import export_packaged

                known = export_packaged(name, folder, fingerprint, working)
                if known is None:
                    from semsearch.embedding.export.transformer import export_transformer

                    known = export_transformer(name, folder, fingerprint, working, bool(trusted))
                record = known
        with open(os.path.join(working, "model.json"), "w", encoding="utf-8") as file:
            about = {
                "format": FORMAT,
                "folder": os.path.abspath(folder),
                "trusted": bool(trusted),
                "largest_weight": largest_weight(),
            }
            json.dump({**about, **record}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        inherit(working)
        try:
            os.rename(working, target)
        except OSError:
            # Another process was faster; its result is as good.
            if not os.path.isfile(os.path.join(target, "model.json")):
                raise
    finally:
        shutil.rmtree(working, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
