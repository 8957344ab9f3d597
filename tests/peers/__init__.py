"""Side-by-side measurements. Nothing that was remembered may make them faster."""

import os

for _name in ("SEMSEARCH_QUERY_CACHE", "SEMSEARCH_PASSAGE_CACHE"):
    os.environ.setdefault(_name, "0")
