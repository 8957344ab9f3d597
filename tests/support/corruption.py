"""One changed byte in any file of an index: a right answer or a clear error, never a crash, a hang or a wrong answer.

    python -m tests.support.corruption [--bytes 200] [--seed 1]

Files are drawn alike, then a byte of the file. Every tenth damage that `verify` names is repaired, and the index must
then answer as before.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from semsearch.indexing import IndexOptions, index_folders
from semsearch.maintenance.quantization import QuantizeOptions, quantize
from tests.support.made_texts import texts

_QUERY = "who paints boats near the harbour"
_SECONDS = 60


def make_index(base: Path) -> Path:
    """An index of several segments with deletions, codes before its vectors."""
    folder = base / "folder"
    folder.mkdir()
    for seed in (1, 2):
        for name, text in texts(40, seed).items():
            (folder / name).write_text(text)
        index_folders([str(folder)], str(base / "index"), IndexOptions(model="static" if seed == 1 else None))
    for number in range(0, 40, 8):
        (folder / f"1-{number}.txt").unlink()
    index_folders([], str(base / "index"), IndexOptions())
    quantize(str(base / "index"), QuantizeOptions("int8", queries=10))
    return base / "index"


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "semsearch", *arguments], capture_output=True, text=True, timeout=_SECONDS
    )


def search(index: Path) -> str:
    """What a search finds, as JSON; "error" for a clear error; else what went wrong."""
    try:
        done = command("search", _QUERY, "-i", str(index), "--json", "--min-score", "0")
    except subprocess.TimeoutExpired:
        return "it hangs"
    if done.returncode == 0:
        results = json.loads(done.stdout)["results"]
        return json.dumps([{key: value for key, value in hit.items() if key != "file"} for hit in results])
    if done.returncode == 2 and "Traceback" not in done.stderr and "unexpected" not in done.stderr:
        error = json.loads(done.stderr)["error"]
        return "error" if error["message"] and error["hint"] else f"an error without a hint: {error}"
    return f"exit status {done.returncode}: {done.stderr[-300:]}"


def judge(index: Path, whole: str, content: bool, repair: bool) -> str:
    """What came of the damage; "" when all is as it should be. `content`: the file holds what is searched."""
    found = search(index)
    if found not in (whole, "error"):
        return "a wrong answer" if found.startswith("[") else found
    try:
        done = command("verify", "-i", str(index), "--json")
    except subprocess.TimeoutExpired:
        return "verify hangs"
    if done.returncode not in (0, 1, 2) or "Traceback" in done.stderr or "unexpected" in done.stderr:
        return f"verify: exit status {done.returncode}: {done.stderr[-300:]}"
    if content and done.returncode == 0:
        return "verify does not see it"
    if found == "error" and done.returncode == 0:
        return "verify calls good what cannot be searched"
    if repair and done.returncode == 1 and all(problem["repair"] for problem in json.loads(done.stdout)["problems"]):
        mended = command("verify", "-i", str(index), "--repair", "--json")
        if mended.returncode == 2 and "cannot be repaired" in mended.stderr:
            return ""  # SQLite cannot read its own pages: it is said, and that the index has to be made anew
        again = command("index", "-i", str(index), "-q")
        if mended.returncode or again.returncode:
            return f"not repaired: {mended.stdout[-400:]} {mended.stderr[-300:]} {again.stderr[-300:]}"
        if _without_ids(search(index)) != _without_ids(whole):
            return "after the repair it answers otherwise"
    return ""


def _without_ids(found: str) -> str:
    hits = json.loads(found) if found.startswith("[") else [{"what": found}]
    return json.dumps(sorted(str({key: hit[key] for key in hit if key not in ("chunk_id", "rank")}) for hit in hits))


def run(count: int, seed: int) -> Counter[str]:
    """outcome -> how often; "" is good."""
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="semsearch-corruption-") as temporary:
        base = Path(temporary)
        original = make_index(base)
        whole = search(original)
        assert whole.startswith("[") and len(json.loads(whole)) == 10, whole
        files = sorted(path.relative_to(original) for path in original.rglob("*") if path.is_file())
        kinds: Counter[str] = Counter()
        for number in range(count):
            name = chance.choice([name for name in files if (original / name).stat().st_size])
            kept = base / "kept"
            shutil.copytree(original, kept)
            data = bytearray((original / name).read_bytes())
            place, change = chance.randrange(len(data)), chance.randrange(1, 256)
            data[place] ^= change
            (original / name).write_bytes(data)
            content = name.parts[0] == "segments" or name.name == "catalog.db"
            outcome = judge(original, whole, content, number % 10 == 0)
            if outcome:
                print(f"    {name}, byte {place} of {len(data)}, ^ {change}: {outcome}", flush=True)
            outcomes[outcome] += 1
            kinds[name.name] += 1
            shutil.rmtree(original)
            kept.rename(original)
        print(", ".join(f"{count} {name}" for name, count in sorted(kinds.items())), flush=True)
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    outcomes = run(chosen.bytes, chosen.seed)
    failures = outcomes.total() - outcomes[""]
    print(f"{outcomes.total()} changed bytes, {failures} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
