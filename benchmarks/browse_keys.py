"""From a key in `browse` to the first results on the screen: python -m benchmarks.browse_keys INDEX [QUERY ...]

Types each query letter by letter, after the models are open, and waits for its results after each key. Prints
milliseconds: the median, the 95th percentile and the most of all keys. What is drawn goes to no terminal.
"""

import argparse
import asyncio
import statistics
import time

from semsearch.cli.browser.app import Browser
from semsearch.service.operations import Operations
from semsearch.settings import index_for_reading

QUERIES = ["guarantee for a weak battery rack", "how do I renew the permit", '"battery rack" type:markdown']


async def measured(index: str, queries: list[str]) -> list[float]:
    """Seconds from each key until the list shows what it finds."""
    seconds: list[float] = []
    browser = Browser(Operations([index]), "", {"mode": "hybrid", "group": "chunk"})
    async with browser.run_test(size=(120, 40)) as pilot:
        await pilot.press("a")
        while browser.is_searching or browser.found is None:
            await asyncio.sleep(0.01)
        for query in queries:
            browser.box.value = ""
            await pilot.pause()
            for letter in query:
                before = browser.found
                began = time.perf_counter()
                browser.box.insert_text_at_cursor(letter)
                while browser.found is before or browser.is_searching:
                    await asyncio.sleep(0.001)
                browser.screen.refresh()
                await asyncio.sleep(0)
                seconds.append(time.perf_counter() - began)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index")
    parser.add_argument("queries", nargs="*", default=QUERIES)
    arguments = parser.parse_args()
    found = sorted(1000 * one for one in asyncio.run(measured(index_for_reading(arguments.index), arguments.queries)))
    p95 = found[int(len(found) * 0.95)]
    print(f"{len(found)} keys: median {statistics.median(found):.0f} ms, p95 {p95:.0f} ms, most {found[-1]:.0f} ms")


if __name__ == "__main__":
    main()
