"""The tables of an index, and how those of an older version become those of this version.

`{s}` stands for the schema of the index, `{v}` for that of pgvector. Nothing of it is meant for this program alone:
texts are text, times are times, and views that a person asks for are made by joining `files` and `chunks`.

A chunk id is given once and never again, in the order of commits; the chunks of a file follow one another.
`chunks.terms` is the length that BM25 knows, `nuls` the places of NUL characters in `text`, which PostgreSQL cannot
hold. A row of `postings` is one term of one segment. Where `held` is null, `data` has its chunks: their ids (4 bytes
each), how often each has the term (2), and their lengths (4), one array after the other, least significant byte first;
else `held` has the ids and `data` 2 bytes a chunk, as `packed_postings` says. `segments.dead` lists
deleted chunks that the postings still name (4 bytes each). `encode_queue` has the chunks without a vector;
`kept_vectors` those of deleted ones, by the hash of their text, until nothing is pending. Where a vector database keeps
the vectors (the setting `vectors_at`), `vectors` and `kept_vectors` are empty, and a chunk has a vector that does not
wait in `encode_queue`. A row of `vectors_untold` is a chunk of which that database is still to be told: what is known
of it now, or that it is deleted; `hash`: that of the text of a deleted one, whose vector serves until nothing is
pending. A row of `writers` is a run that goes on as long as it holds the advisory lock `lock_key`, and its `folders`
are those that it holds.
"""

import re

FORMAT = 3

_TABLES = """
CREATE TABLE {s}.state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    product text NOT NULL DEFAULT 'semsearch',
    format integer NOT NULL,
    next_chunk bigint NOT NULL DEFAULT 1,
    next_file bigint NOT NULL DEFAULT 1,
    next_root integer NOT NULL DEFAULT 1,
    next_segment bigint NOT NULL DEFAULT 1,
    chunks bigint NOT NULL DEFAULT 0,
    terms bigint NOT NULL DEFAULT 0,
    indexed bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0
);
INSERT INTO {s}.state (format) VALUES (1);
CREATE TABLE {s}.settings (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE {s}.roots (
    id integer PRIMARY KEY,
    host text NOT NULL,
    path bytea NOT NULL,
    label text NOT NULL UNIQUE,
    readers integer NOT NULL DEFAULT 0,
    checked timestamptz,
    UNIQUE (host, path)
);
CREATE TABLE {s}.files (
    id bigint PRIMARY KEY,
    root_id integer NOT NULL,
    path bytea NOT NULL,
    status text NOT NULL CHECK (status IN ('indexed', 'skipped', 'failed')),
    reason text NOT NULL,
    size bigint NOT NULL,
    mtime_ns bigint NOT NULL,
    inode bigint NOT NULL,
    scanned_ns bigint NOT NULL,
    generation bigint NOT NULL,
    hash bytea NOT NULL,
    type text NOT NULL,
    title text NOT NULL,
    language text NOT NULL,
    metadata text NOT NULL,
    date double precision,
    first_chunk bigint NOT NULL,
    chunk_count bigint NOT NULL,
    UNIQUE (root_id, path)
);
CREATE TABLE {s}.parts (
    file_id bigint NOT NULL,
    first_chunk bigint NOT NULL,
    chunk_count bigint NOT NULL,
    title text NOT NULL,
    metadata text NOT NULL,
    date double precision,
    language text NOT NULL,
    PRIMARY KEY (file_id, first_chunk)
);
CREATE TABLE {s}.chunks (
    id bigint PRIMARY KEY,
    file_id bigint NOT NULL,
    hash bytea NOT NULL,
    text text NOT NULL,
    nuls integer[],
    heading text NOT NULL,
    page integer,
    line_start bigint,
    line_end bigint,
    line_breaks text,
    tokens integer NOT NULL,
    terms integer NOT NULL
);
CREATE INDEX chunks_file ON {s}.chunks (file_id);
CREATE INDEX chunks_hash ON {s}.chunks (hash);
CREATE TABLE {s}.segments (
    id bigint PRIMARY KEY,
    first_id bigint NOT NULL,
    last_id bigint NOT NULL,
    chunks bigint NOT NULL,
    dead bytea NOT NULL DEFAULT '',
    checksum bigint NOT NULL,
    languages text[] NOT NULL
);
CREATE TABLE {s}.postings (
    segment_id bigint NOT NULL,
    term bytea NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (segment_id, term)
);
ALTER TABLE {s}.postings ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE {s}.vectors (chunk_id bigint PRIMARY KEY, embedding {v}.halfvec NOT NULL);
ALTER TABLE {s}.vectors ALTER COLUMN embedding SET STORAGE MAIN;
CREATE TABLE {s}.kept_vectors (hash bytea PRIMARY KEY, embedding {v}.halfvec NOT NULL);
CREATE TABLE {s}.encode_queue (
    chunk_id bigint PRIMARY KEY,
    tokens integer NOT NULL,
    claimed_by bigint,
    claimed_until timestamptz
);
CREATE TABLE {s}.writers (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    host text NOT NULL,
    pid integer NOT NULL,
    folders bytea[] NOT NULL,
    alone boolean NOT NULL,
    lock_key bigint NOT NULL,
    commits bigint NOT NULL DEFAULT 0,
    started timestamptz NOT NULL DEFAULT now(),
    seen timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE {s}.runs (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    host text NOT NULL,
    started double precision NOT NULL,
    seconds double precision NOT NULL,
    report text NOT NULL
)
"""

# What was written before stays as it is, until a merge writes it anew.
_TIGHT_POSTINGS = """
ALTER TABLE {s}.postings ADD COLUMN held bytea;
ALTER TABLE {s}.postings ALTER COLUMN held SET STORAGE EXTERNAL;
UPDATE {s}.state SET format = 2
"""

_UNTOLD = """
CREATE TABLE {s}.vectors_untold (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    chunk_id bigint NOT NULL,
    hash bytea
);
CREATE INDEX vectors_untold_hash ON {s}.vectors_untold (hash) WHERE hash IS NOT NULL;
DO $grants$
DECLARE
    own record;
BEGIN
    -- Whoever owns the queue, or was given rights on it, has the same on what goes with it.
    FOR own IN SELECT pg_get_userbyid(relowner) AS role FROM pg_class WHERE oid = '{s}.encode_queue'::regclass
        AND pg_get_userbyid(relowner) <> current_user
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO %I', '{s}.vectors_untold'::regclass, own.role);
    END LOOP;
    FOR own IN SELECT privilege_type AS what, grantee FROM pg_class, aclexplode(relacl)
        WHERE pg_class.oid = '{s}.encode_queue'::regclass AND grantee <> relowner
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s', own.what, '{s}.vectors_untold'::regclass,
            CASE WHEN own.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(own.grantee)) END);
    END LOOP;
END
$grants$;
UPDATE {s}.state SET format = 3
"""

# version -> what makes an index of the next version of it.
MIGRATIONS: dict[int, str] = {0: _TABLES, 1: _TIGHT_POSTINGS, 2: _UNTOLD}
# The tables of an index of this version.
TABLES = tuple(re.findall(r"CREATE TABLE \{s\}\.(\w+)", "".join(MIGRATIONS.values())))
