"""Writes the manual page from the commands and settings: `python -m semsearch.cli.manual > man/semsearch.1`."""

import re
import sys
from typing import Any

from semsearch import __version__

_EXIT_CODES = (
    ("0", "search, ask: found, answered. index: up to date. why: the search shows the file."),
    ("1", "search, ask: nothing found, not answered. why: the search does not show the file."),
    ("1", "quantize: more would be lost than --max-loss allows. bench: a figure is below --fail-under."),
    ("1", "verify: the index is damaged. tune: nothing is surely gained. models recommend: none fits."),
    ("2", "An error; one line on standard error says what happened and what to do."),
    ("3", "index --strict: up to date, but files were skipped or failed."),
    ("75", "index, quantize, tune, verify --repair of damage: another run is writing this index."),
    ("130", "Interrupted; what was committed is kept."),
    ("141", "The reader of a pipe went away."),
)


def manual() -> str:
    """The manual page in roff."""
    import typer

    from semsearch import settings
    from semsearch.cli.app import app

    group: Any = typer.main.get_command(app)
    lines = [
        f'.TH SEMSEARCH 1 "" "semsearch {__version__}" "User Commands"',
        ".SH NAME",
        "semsearch \\- search local documents by word and by meaning",
        ".SH SYNOPSIS",
        ".B semsearch",
        ".I COMMAND",
        "[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...",
        ".SH DESCRIPTION",
        _text(group.help),
        "Everything happens on this machine: no account, no server, no download.",
    ]
    for name, command in commands_of(group).items():
        lines += _command(name, command)
    lines.append(".SH EXIT STATUS")
    for code, meaning in _EXIT_CODES:
        lines += [".TP", f".B {code}", _text(meaning)]
    lines.append(".SH ENVIRONMENT")
    for setting in settings.SETTINGS:
        default = "" if setting.default is None else f" Default: {setting.default}."
        lines += [".TP", f".B {setting.variable}", _text(setting.help + default)]
    for variable in settings.ENVIRONMENT:
        lines += [".TP", f".B {variable.name}", _text(variable.help)]
    names = ", ".join(setting.name for setting in settings.SETTINGS)
    lines += [
        ".PP",
        "Keys are never printed and never stored.",
        ".SH FILES",
        ".TP",
        ".I .semsearch/",
        "The index of the folder it stands in.",
        ".TP",
        ".I ~/.local/state/semsearch/",
        _text("What ask was asked, for -c and ask log, and where the last results stand; ask log --forget removes it."),
        ".TP",
        ".I ~/.config/semsearch/config.toml",
        _text(f"Settings: {names}. Flags and the environment come first; semsearch config shows what holds."),
        _text('[indexes] gives names to indexes, for --index: notes = "~/notes/.semsearch".'),
        ".SH SEE ALSO",
        ".BR grep (1),",
        ".BR rg (1),",
        ".BR locate (1)",
    ]
    return "\n".join(lines) + "\n"


def commands_of(group: Any) -> dict[str, Any]:
    """The commands of a Click group by name, sorted; those of its groups as `bench quality`."""
    commands: dict[str, Any] = {}
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            commands |= {f"{name} {inner}": inside for inner, inside in commands_of(command).items()}
        else:
            commands[name] = command
    return commands


def _command(name: str, command: Any) -> list[str]:
    """The lines of the section about one Click command."""
    description, _, examples = (command.help or "").partition("\b\n")
    arguments = " ".join(f"\\fI{_escape(p.metavar)}\\fR" for p in command.params if p.param_type_name == "argument")
    lines = [
        f'.SH "SEMSEARCH {name.upper()}"',
        ".PP",
        f"\\fBsemsearch {name}\\fR [\\fIOPTION\\fR]... {arguments}".rstrip(),
    ]
    for paragraph in re.split(r"\n\s*\n", description.strip()):
        lines += [".PP", _text(" ".join(paragraph.split()))]
    for option in command.params:
        if option.param_type_name == "option" and not option.hidden:
            flags = [*option.opts, *option.secondary_opts]
            value = "" if option.is_flag else f" \\fI{_escape(option.metavar or 'VALUE')}\\fR"
            lines += [".TP", ", ".join(f"\\fB{_escape(flag)}\\fR" for flag in flags) + value, _text(option.help or "")]
    shown = [line.strip() for line in examples.splitlines() if line.strip() and line.strip() != "Examples:"]
    if shown:
        lines += [".PP", "Examples:", ".PP", ".nf", ".RS 4", *(_text(line) for line in shown), ".RE", ".fi"]
    return lines


def _text(text: str) -> str:
    """`text` as a line of roff; `\\&` keeps a leading dot or quote from being read as a request."""
    escaped = _escape(text)
    return "\\&" + escaped if escaped[:1] in (".", "'") else escaped


def _escape(text: str) -> str:
    """`text` with the characters that mean something in roff escaped."""
    return (
        text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha").replace("'", "\\(aq")
    )


if __name__ == "__main__":
    sys.stdout.write(manual())
