"""Which files a walk takes in. Apart from the walk, which a search does not need to know what an index records.

No dataclass, for the reason given in `sources.walk`.
"""

import os

from semsearch.settings import DEFAULT_MAX_FILE_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class WalkRules:
    """Which files a walk takes in: what the flags of `index` say. The index records them for its next run.

    `include`, `exclude`: globs in gitignore syntax. `hidden`: names that begin with a dot, too. `no_ignore`: ignore
    files are not read. `follow`: symbolic links inside the folder are followed. `max_file_size`: in bytes.
    """

    __slots__ = ("exclude", "follow", "hidden", "include", "max_file_size", "no_ignore")

    def __init__(
        self,
        include: tuple[str, ...] = (),
        exclude: tuple[str, ...] = (),
        hidden: bool = False,
        no_ignore: bool = False,
        follow: bool = False,
        max_file_size: int = DEFAULT_MAX_FILE_SIZE,
    ) -> None:
        self.include = tuple(include)
        self.exclude = tuple(exclude)
        self.hidden = hidden
        self.no_ignore = no_ignore
        self.follow = follow
        self.max_file_size = max_file_size

    def as_dict(self) -> dict[str, object]:
        """The fields by name, as they are recorded."""
        return {name: getattr(self, name) for name in self.__slots__}

    @staticmethod
    def from_record(record: "dict[str, Any]") -> "WalkRules":
        """The rules that `as_dict` gave. Raises `ValueError` for a record that is damaged or hostile."""
        try:
            rules = WalkRules(**record)
            for name in ("include", "exclude"):
                if not isinstance(record.get(name, ()), list | tuple):
                    raise TypeError(f"{name} is no list")
                for glob in getattr(rules, name):
                    os.fsencode(glob)  # what no name of a file can hold, no flag can have said
        except (TypeError, UnicodeEncodeError) as error:
            raise ValueError(f"no rules of a walk: {error}") from None
        globs = all(type(glob) is str for glob in (*rules.include, *rules.exclude))
        switches = all(type(value) is bool for value in (rules.hidden, rules.no_ignore, rules.follow))
        if not (globs and switches and type(rules.max_file_size) is int):
            raise ValueError("rules of a walk with values of other types")
        return rules

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WalkRules) and self.as_dict() == other.as_dict()

    __hash__ = None  # type: ignore[assignment]  # its fields can be changed
