"""The shapes of the database, each step as it was released: never change one, add another.

First: chats, their message trees, and one row per generation. Second: what is known of model files. Third:
answers to be given again. Fourth: with what settings generations ran, so that a
year of them is summed up quickly. Fifth: what the machine did, minute by minute. Sixth: benchmarks. Seventh:
time in the queue beside the other figures. Eighth: the settings that a benchmark changes.

``number`` is SQLite's row number, given in the order of writing. It breaks ties between equal dates, and
because a parent is always written before its children it also sorts any path from root to leaf.
"""

CHATS = """
CREATE TABLE chats (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    model TEXT,
    system TEXT,
    head TEXT REFERENCES messages(id) ON DELETE SET NULL
)
"""

MESSAGES = """
CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    chat_id TEXT NOT NULL REFERENCES chats(id) ON DELETE CASCADE,
    parent_id TEXT REFERENCES messages(id),
    role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant')),
    state TEXT NOT NULL CHECK (
        state IN ('queued', 'streaming', 'complete', 'stopped', 'failed', 'interrupted')
    ),
    model TEXT,
    content TEXT NOT NULL,
    stop_reason TEXT CHECK (
        stop_reason IN ('end', 'stop_sequence', 'length', 'context', 'abort', 'error')
    ),
    error TEXT,
    created TEXT NOT NULL,
    updated TEXT NOT NULL
)
"""

# A message has one generation per attempt: the first, and one more each time it is continued. Usage and
# timings are NULL until the generation ends in an orderly way.
GENERATIONS = """
CREATE TABLE generations (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    message_id TEXT NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
    model TEXT,
    model_path TEXT,
    model_size INTEGER,
    model_mtime REAL,
    settings TEXT NOT NULL DEFAULT '{}',
    state TEXT NOT NULL CHECK (
        state IN ('queued', 'streaming', 'complete', 'stopped', 'failed', 'interrupted')
    ),
    stop_reason TEXT CHECK (
        stop_reason IN ('end', 'stop_sequence', 'length', 'context', 'abort', 'error')
    ),
    error TEXT,
    prompt_tokens INTEGER,
    cached_tokens INTEGER,
    completion_tokens INTEGER,
    queue_s REAL,
    load_s REAL,
    prefill_s REAL,
    ttft_s REAL,
    prompt_tok_s REAL,
    decode_tok_s REAL,
    total_s REAL,
    trimmed INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL,
    started TEXT,
    ended TEXT
)
"""

INDEXES = (
    "CREATE INDEX messages_chat ON messages(chat_id)",
    "CREATE INDEX messages_parent ON messages(parent_id)",
    "CREATE INDEX messages_live ON messages(state) WHERE state IN ('queued', 'streaming')",
    "CREATE INDEX chats_updated ON chats(updated)",
    "CREATE INDEX chats_head ON chats(head)",  # for ON DELETE SET NULL
    "CREATE INDEX generations_message ON generations(message_id)",
)

FIRST = (CHATS, MESSAGES, GENERATIONS, *INDEXES)

# What a person set for a model. ``settings`` is a path that outlives the model's next revision, ``defaults``
# is `core.model_contract.Defaults` as JSON.
MODELS = """
CREATE TABLE models (
    settings TEXT PRIMARY KEY,
    favourite INTEGER NOT NULL DEFAULT 0,
    pinned INTEGER NOT NULL DEFAULT 0,
    tags TEXT NOT NULL DEFAULT '[]',
    defaults TEXT NOT NULL DEFAULT '{}',
    updated TEXT NOT NULL
)
"""

# The header of a file as it was at that size and date; ``form`` names the program and fields that read it.
MODEL_HEADERS = """
CREATE TABLE model_headers (
    path TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    form TEXT NOT NULL,
    shape TEXT NOT NULL,
    read TEXT NOT NULL
)
"""

# One row per load that succeeded, with what the model was called then. ``footprint`` is JSON of
# `core.model_info.Footprint`, the time is in seconds.
MODEL_LOADS = """
CREATE TABLE model_loads (
    number INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    device TEXT NOT NULL,
    context INTEGER NOT NULL,
    kv_type TEXT NOT NULL,
    gpu_layers INTEGER NOT NULL,
    footprint TEXT NOT NULL,
    load_s REAL NOT NULL,
    loaded TEXT NOT NULL
)
"""

# The context the program settled on, in tokens.
MODEL_CONTEXTS = """
CREATE TABLE model_contexts (
    path TEXT NOT NULL,
    device TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    context INTEGER NOT NULL,
    PRIMARY KEY (path, device)
)
"""

MODEL_INDEXES = (
    "CREATE INDEX model_loads_path ON model_loads(path)",
    "CREATE INDEX generations_model ON generations(model_path) WHERE model_path IS NOT NULL",
)

SECOND = (MODELS, MODEL_HEADERS, MODEL_LOADS, MODEL_CONTEXTS, *MODEL_INDEXES)

# Answers to be given again. ``key`` stands for all that an answer depends on, ``digest`` is over the whole
# answer; ``used`` is in seconds since 1970, ``size`` the text's in bytes. The text comes last: whoever only
# counts and ages never reads it.
RESPONSES = """
CREATE TABLE responses (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    model_path TEXT NOT NULL,
    stop_reason TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    size INTEGER NOT NULL,
    used REAL NOT NULL,
    digest TEXT NOT NULL,
    text TEXT NOT NULL
)
"""

# The chats that an answer was made for or given in.
RESPONSE_CHATS = """
CREATE TABLE response_chats (
    key TEXT NOT NULL REFERENCES responses(key) ON DELETE CASCADE,
    chat_id TEXT NOT NULL REFERENCES chats(id) ON DELETE CASCADE,
    PRIMARY KEY (key, chat_id)
) WITHOUT ROWID
"""

# An answer goes with any of its chats: nothing that was deleted is said again.
RESPONSE_GOES = """
CREATE TRIGGER response_goes AFTER DELETE ON response_chats
BEGIN
    DELETE FROM responses WHERE key = old.key;
END
"""

THIRD = (
    RESPONSES,
    RESPONSE_CHATS,
    RESPONSE_GOES,
    "CREATE INDEX responses_used ON responses(used, size)",
    "CREATE INDEX responses_model ON responses(model_path)",
    "CREATE INDEX response_chats_chat ON response_chats(chat_id)",
    "ALTER TABLE generations ADD COLUMN from_cache INTEGER NOT NULL DEFAULT 0",
)

# What a model ran with. A few of them serve many generations, which is why these are no columns of theirs:
# the figures of 100,000 runs are grouped by one number. ``active_weights``: `models.active`; 0: not known.
SETUPS = """
CREATE TABLE setups (
    number INTEGER PRIMARY KEY,
    model TEXT NOT NULL,
    quantisation TEXT NOT NULL,
    active_weights INTEGER NOT NULL,
    device TEXT NOT NULL,
    gpu_layers INTEGER NOT NULL,
    context INTEGER NOT NULL,
    kv_type TEXT NOT NULL,
    threads INTEGER NOT NULL,
    UNIQUE (model, quantisation, active_weights, device, gpu_layers, context, kv_type, threads)
)
"""

# ``setup`` is NULL where no model was at work, ``day`` is the date of ``created``, memory is in bytes.
GENERATION_COLUMNS = (
    "ALTER TABLE generations ADD COLUMN setup INTEGER REFERENCES setups(number)",
    "ALTER TABLE generations ADD COLUMN day TEXT",
    "ALTER TABLE generations ADD COLUMN memory INTEGER",
    "ALTER TABLE generations ADD COLUMN memory_host INTEGER",
)

# Settings of generations that ran before there were setups, as far as they were kept.
_RAN = """
SELECT g.number AS generation, g.model,
    coalesce((SELECT json_extract(h.shape, '$.quantisation') FROM model_headers h
        WHERE h.path = g.model_path AND h.size = g.model_size
            AND abs(h.mtime_ns / 1e9 - g.model_mtime) < 0.001 AND json_valid(h.shape)), '') AS quantisation,
    0 AS active_weights,
    coalesce(json_extract(g.settings, '$.device'), '') AS device,
    coalesce(json_extract(g.settings, '$.gpu_layers'), 0) AS gpu_layers,
    coalesce(json_extract(g.settings, '$.context'), 0) AS context,
    coalesce(json_extract(g.settings, '$.kv_type'), '') AS kv_type,
    coalesce(json_extract(g.settings, '$.threads'), 0) AS threads
FROM generations g
WHERE g.started IS NOT NULL AND g.model IS NOT NULL AND NOT g.from_cache AND json_valid(g.settings)
"""
_SETUP = "model, quantisation, active_weights, device, gpu_layers, context, kv_type, threads"

FOURTH = (
    SETUPS,
    *GENERATION_COLUMNS,
    f"CREATE TEMP TABLE ran AS {_RAN}",
    f"INSERT INTO setups ({_SETUP}) SELECT {_SETUP} FROM ran GROUP BY {_SETUP}",  # noqa: S608
    "CREATE INDEX temp.ran_generation ON ran(generation)",
    f"""
    UPDATE generations SET day = substr(created, 1, 10), setup = (
        SELECT s.number FROM ran JOIN setups s USING ({_SETUP}) WHERE ran.generation = generations.number
    ) WHERE number IN (SELECT generation FROM ran)
    """,  # noqa: S608 - names of ours
    "DROP TABLE temp.ran",
    # Has all that figures are made of, so that the rows, with their errors and settings, are not read.
    "CREATE INDEX generations_figures"
    " ON generations(setup, day, created, state, prompt_tokens, cached_tokens,"
    " completion_tokens, ttft_s, load_s, prompt_tok_s, decode_tok_s)",
    "CREATE INDEX generations_created ON generations(created, model, from_cache)",
)

# What is sampled, and of which GPU (empty: of the machine).
SAMPLE_SERIES = """
CREATE TABLE sample_series (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    device TEXT NOT NULL,
    UNIQUE (name, device)
)
"""

# ``count`` samples of one minute, which begins ``minute`` seconds after 1970.
SAMPLES = """
CREATE TABLE samples (
    series INTEGER NOT NULL REFERENCES sample_series(number) ON DELETE CASCADE,
    minute INTEGER NOT NULL,
    mean REAL NOT NULL,
    most REAL NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (series, minute)
) WITHOUT ROWID
"""

FIFTH = (SAMPLE_SERIES, SAMPLES)

# What a load was measured with beside what the second migration keeps; benchmarks as JSON
# (`core.bench_contract.BenchRun`), ``digest`` of the row's other texts.
SIXTH = (
    "ALTER TABLE model_loads ADD COLUMN batch INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE model_loads ADD COLUMN flash INTEGER NOT NULL DEFAULT 1",
    """
    CREATE TABLE benches (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        model TEXT NOT NULL,
        digest TEXT NOT NULL,
        run TEXT NOT NULL
    )
    """,
    "CREATE INDEX benches_model ON benches(model)",
)

# As the fourth has it, with the time in the queue, which the figures of a model leave out.
SEVENTH = (
    "DROP INDEX generations_figures",
    "CREATE INDEX generations_figures"
    " ON generations(setup, day, created, state, prompt_tokens, cached_tokens,"
    " completion_tokens, queue_s, ttft_s, load_s, prompt_tok_s, decode_tok_s)",
)

# Made anew, because what tells settings apart is part of the table. Of older runs the new ones are not known.
EIGHTH = (
    """
    CREATE TABLE setups_with_batch (
        number INTEGER PRIMARY KEY,
        model TEXT NOT NULL,
        quantisation TEXT NOT NULL,
        active_weights INTEGER NOT NULL,
        device TEXT NOT NULL,
        gpu_layers INTEGER NOT NULL,
        context INTEGER NOT NULL,
        kv_type TEXT NOT NULL,
        threads INTEGER NOT NULL,
        threads_batch INTEGER NOT NULL DEFAULT 0,
        batch INTEGER NOT NULL DEFAULT 0,
        flash TEXT NOT NULL DEFAULT '',
        UNIQUE (
            model, quantisation, active_weights, device, gpu_layers, context, kv_type, threads,
            threads_batch, batch, flash
        )
    )
    """,
    f"INSERT INTO setups_with_batch (number, {_SETUP}) SELECT number, {_SETUP} FROM setups",  # noqa: S608
    "DROP TABLE setups",
    "ALTER TABLE setups_with_batch RENAME TO setups",
)
