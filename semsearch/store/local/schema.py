"""The tables of `catalog.db`, and how a catalog of an older version becomes one of this version.

A chunk id is given once and never again; the chunks of a file are contiguous ids. `dead` of a segment is a bitmap of
its rows, least significant bit first (as FAISS reads it), NULL when all are alive; a chunk whose file was deleted has
no `file_id` and is kept for its vector until nothing is pending. `line_breaks`: `Chunk.line_breaks` as one JSON list of
offset, line, offset, line, ...; NULL where there are none. `parts` are the documents of files that hold several: a
file has none, or those that its chunks are divided among, in order.
"""

APPLICATION_ID = 0x73656D73  # "sems"
SCHEMA_VERSION = 3

SCHEMA = """
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE roots (id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, label TEXT NOT NULL);
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    root_id INTEGER NOT NULL REFERENCES roots(id),
    path BLOB NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('indexed', 'skipped', 'failed')),
    reason TEXT NOT NULL DEFAULT '',
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    scanned_ns INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    hash BLOB,
    type TEXT NOT NULL DEFAULT '',
    title TEXT NOT NULL DEFAULT '',
    language TEXT NOT NULL DEFAULT '',
    metadata TEXT NOT NULL DEFAULT '{}',
    date REAL,
    first_chunk INTEGER NOT NULL DEFAULT 0,
    chunk_count INTEGER NOT NULL DEFAULT 0,
    UNIQUE (root_id, path)
);
CREATE INDEX files_status ON files (status, chunk_count);
CREATE INDEX files_stamps ON files (root_id, generation, path, size, mtime_ns, inode, scanned_ns);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    file_id INTEGER,
    hash BLOB NOT NULL,
    text TEXT NOT NULL,
    heading TEXT NOT NULL,
    page INTEGER,
    line_start INTEGER,
    line_end INTEGER,
    tokens INTEGER NOT NULL,
    line_breaks TEXT
);
CREATE TABLE parts (
    id INTEGER PRIMARY KEY,
    file_id INTEGER NOT NULL,
    first_chunk INTEGER NOT NULL,
    chunk_count INTEGER NOT NULL,
    title TEXT NOT NULL,
    metadata TEXT NOT NULL,
    date REAL,
    language TEXT NOT NULL
);
CREATE INDEX parts_file ON parts (file_id, first_chunk);
CREATE INDEX chunks_hash ON chunks (hash);
CREATE INDEX chunks_dead ON chunks (id) WHERE file_id IS NULL;
CREATE TABLE segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('lex', 'vec')),
    name TEXT NOT NULL UNIQUE,
    first_id INTEGER NOT NULL,
    last_id INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    dead BLOB,
    dead_count INTEGER NOT NULL DEFAULT 0,
    files TEXT NOT NULL
);
CREATE TABLE runs (id INTEGER PRIMARY KEY, started REAL NOT NULL, seconds REAL NOT NULL, report TEXT NOT NULL);
"""

# version -> what makes a catalog of the next version of it.
MIGRATIONS = {
    1: ("CREATE INDEX files_stamps ON files (root_id, generation, path, size, mtime_ns, inode, scanned_ns)",),
    2: (
        "ALTER TABLE chunks ADD COLUMN line_breaks TEXT",
        "CREATE TABLE parts (id INTEGER PRIMARY KEY, file_id INTEGER NOT NULL, first_chunk INTEGER NOT NULL,"
        " chunk_count INTEGER NOT NULL, title TEXT NOT NULL, metadata TEXT NOT NULL, date REAL,"
        " language TEXT NOT NULL)",
        "CREATE INDEX parts_file ON parts (file_id, first_chunk)",
    ),
}


def statements(version: int) -> dict[str, tuple[str, str, str]]:
    """name -> (type, table, SQL without white space) of what a catalog of format `version` consists of.

    Without white space, since SQLite keeps each statement as it was written, and writes a column that a migration adds
    on the same line.
    """
    made = {"sqlite_sequence": ("table", "sqlite_sequence", "CREATETABLEsqlite_sequence(name,seq)")}
    for statement in SCHEMA.split(";"):
        words = statement.replace("(", " ").split()
        if words:
            kind, name = words[1].lower(), words[2]
            made[name] = (kind, name if kind == "table" else words[4], "".join(statement.split()))
    for older in reversed(range(version, SCHEMA_VERSION)):
        for statement in MIGRATIONS[older]:
            words = statement.split()
            if words[:2] == ["ALTER", "TABLE"]:
                kind, table, text = made[words[2]]
                made[words[2]] = kind, table, text.replace("," + "".join(words[5:]), "")
            else:
                del made[words[2]]
    return made
