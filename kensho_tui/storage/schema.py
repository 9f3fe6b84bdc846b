"""The first shape of the database: chats, their message trees, and one row per generation.

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
