"""`semsearch config`: the value of each setting and where it comes from."""

import os
import re
from typing import Annotated, Any

import typer

from semsearch import settings
from semsearch.cli.render import one_line, print_json, write
from semsearch.config_file import config_file


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object (semsearch.config/1).")] = False,
) -> int:
    """Show each setting, its value, and whether the environment, the configuration file or the default decided.

    The names of indexes stand at the end. Flags come before all of these. The API key is never shown.

    \b
    Examples:
      semsearch config
      semsearch config --json | jq -r '.settings[] | select(.source != "default").name'
      semsearch config --json | jq -r '.indexes | keys[]'
    """
    rows = _rows()
    names = {name: _told(location) for name, location in settings.index_names().items()}
    if as_json:
        print_json({"schema": "semsearch.config/1", "file": config_file(), "settings": rows, "indexes": names})
        return 0
    missing = "" if os.path.isfile(config_file()) else "  (not there)"
    write(f"{'file':<18}  {one_line(config_file())}{missing}")
    for row in rows:
        value = "-" if row["value"] is None else one_line(str(row["value"]))
        variable = row["variable"] if row["source"] == "environment" else ""
        write(f"{row['name']:<18}  {value}  ({' '.join(filter(None, (row['source'], variable)))})")
    for name, location in names.items():
        write(f"{f'indexes.{name}':<18}  {one_line(location)}  (config file)")
    return 0


def _rows() -> list[dict[str, Any]]:
    """Name, value, source and variable of the environment of each setting; of the API key only whether it is set."""
    rows = []
    for setting in settings.SETTINGS:
        value, source = settings.effective(setting.name)
        if setting.name == "base_url" and value is not None:
            # Without user, password and query, any of which may hold a key.
            value = re.sub(r"//[^/@]*@", "//", str(value)).partition("?")[0]
        if setting.name == "index" and value is not None:
            value = _told(str(value))
        rows.append({"name": setting.name, "value": value, "source": source, "variable": setting.variable})
    key = os.environ.get("OPENAI_API_KEY")
    rows.append(
        {
            "name": "api_key",
            "value": "set" if key else None,
            "source": "environment" if key else "default",
            "variable": "OPENAI_API_KEY",
        }
    )
    for name in (variable.name for variable in settings.ENVIRONMENT if variable.shown):
        value = os.environ.get(name) or None
        source = "environment" if value else "default"
        rows.append({"name": name.lower(), "value": value, "source": source, "variable": name})
    return rows


def _told(location: str) -> str:
    """The `location` of an index, without a password where it is a URL."""
    return settings.without_password(location) if settings.url_scheme(location) else location
