"""The shapes of the database, each step as it was released: never change one, add another.

First: chats, their message trees, and one row per generation. Second: what is known of model files. Third:
answers to be given again.

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
