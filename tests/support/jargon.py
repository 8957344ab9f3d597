"""A small corpus whose readers ask in words of their own, with judged questions."""

# What people here say, and what their documents call it.
JARGON = {
    "walrus": "pump", "teapot": "turbine", "violin": "battery", "cactus": "harbour", "pillow": "cable",
    "mitten": "ferry", "banjo": "bearing", "igloo": "transformer",
}  # fmt: skip
ISSUES = ("leaks", "overheats", "makes noise", "was inspected", "needs paint", "is replaced", "was cleaned", "vibrates")
WHERE = ("in the north hall", "near the pier", "behind the weir", "on the island")


def documents() -> dict[str, str | bytes]:
    return {
        f"{thing}-{number}-{place}.txt": f"The {thing} {issue} {where}.\n"
        for thing in JARGON.values()
        for number, issue in enumerate(ISSUES)
        for place, where in enumerate(WHERE)
    }


def questions() -> tuple[dict[str, str], dict[str, dict[str, int]]]:
    queries, qrels = {}, {}
    for word, thing in JARGON.items():
        for number, issue in enumerate(ISSUES):
            name = f"{word}{number}"
            queries[name] = f"which {word} {issue}"
            qrels[name] = {f"{thing}-{number}-{place}.txt": 1 for place in range(len(WHERE))}
    return queries, qrels


def silent(*told: object) -> None:
    pass
