"""The project's own folder, and small folders of documents for tests to index."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

NOTES = {
    "garden.md": "---\ntitle: Garden notes\ntags: [plants, soil]\n---\n\n# Garden notes\n\n## Tomatoes\n\n"
    "Water the tomatoes every morning before the sun is high.\n\n## Roses\n\nPrune the roses in early spring.\n",
    "kitchen/bread.txt": "The sourdough needs twelve hours of rest in the fridge.\nBake it at 240 degrees.\n",
    "kitchen/soup.txt": "Simmer the leek soup for forty minutes and season it with nutmeg.\n",
    "code/pump.py": 'def start_pump(pressure):\n    """Open the valve, then start the pump."""\n    return pressure\n',
    "travel.html": "<html lang='en'><head><title>Trip</title></head><body><nav>menu</nav><h1>Trip to the coast</h1>"
    "<p>The night ferry leaves the harbour at ten.</p></body></html>",
}


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    """Writes `files` below `folder` and dates them an hour back, so that no scan calls them racy."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        stamp = path.stat().st_mtime - 3600
        os.utime(path, (stamp, stamp))
