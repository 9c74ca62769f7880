"""The tables of sql/schema and the queries that move whole tables (src/transfer/), so that a table or
column added there is exported and imported without anybody thinking of it.

The schema is not parsed but run, in an SQLite database in memory, and looked at."""

import sqlite3

# Not part of what an installation consists of: notes of an import under way.
NOT_MOVED = {"imports"}

# What src/sync/retention.c deletes before the connection; other tables that name one must cascade.
ERASED = {"syncs"}

KINDS = {"INTEGER": "int", "BIGINT": "int", "TEXT": "text", "BLOB": "blob", "REAL": "real"}
ARRAYS = {"int": "bigint[]", "text": "text[]", "blob": "bytea[]", "real": "double precision[]"}


class Table:
    def __init__(self, db, name):
        self.name = name
        info = db.execute(f"PRAGMA table_info({name})").fetchall()
        self.columns = [(row[1], KINDS[row[2].upper()]) for row in info]
        self.key = [row[1] for row in sorted(info, key=lambda r: r[5]) if row[5]]
        keys = db.execute(f"PRAGMA foreign_key_list({name})").fetchall()
        self.parents = {row[2] for row in keys} - {name}
        if name not in ERASED and any(k[2] == "connections" and k[6] != "CASCADE" for k in keys):
            raise ValueError(f"table {name}: a deleted connection could not be erased (ON DELETE CASCADE)")
        created = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
        self.identity = "AUTOINCREMENT" in created.upper()

    def queries(self):
        """{name: {back end: text}}; arguments are as each back end writes them."""
        columns = ", ".join(quoted(c) for c, _ in self.columns)
        keys = ", ".join(quoted(k) for k in self.key)
        n, out = len(self.key), {}

        def both(what, text):
            out[f"{what}_{self.name}"] = {"sqlite": text("?"), "postgres": text("$")}
        both("count", lambda p: f"SELECT COUNT(*) FROM {self.name}")
        both("export_first", lambda p: f"SELECT {columns} FROM {self.name}\nORDER BY {keys} LIMIT {p}1")
        both("export_next", lambda p: f"SELECT {columns} FROM {self.name}\n"
             f"WHERE ({keys}) > ({', '.join(f'{p}{i + 1}' for i in range(n))})\n"
             f"ORDER BY {keys} LIMIT {p}{n + 1}")
        into = f"INSERT INTO {self.name} ({columns})\n"
        values = ", ".join(f"?{i + 1}" for i in range(len(self.columns)))
        arrays = ", ".join(f"${i + 1}::{ARRAYS[kind]}" for i, (_, kind) in enumerate(self.columns))
        out[f"import_{self.name}"] = {
            "sqlite": f"{into}VALUES ({values})",
            "postgres": f"{into}SELECT * FROM unnest({arrays})",
        }
        return out


def quoted(name):
    return f'"{name}"'


def in_order(tables):
    """Parents before children; alphabetical where that leaves a choice."""
    done, left = [], sorted(tables, key=lambda t: t.name)
    while left:
        ready = next((t for t in left if t.parents <= {d.name for d in done}), None)
        if not ready:
            raise ValueError("foreign keys form a circle: " + ", ".join(t.name for t in left))
        left.remove(ready)
        done.append(ready)
    return done


def read(migrations):
    """migrations: the SQLite texts in order."""
    db = sqlite3.connect(":memory:")
    for text in migrations:
        db.executescript(text)
    names = [row[0] for row in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
    return in_order([Table(db, n) for n in names if n not in NOT_MOVED])


def source(tables):
    """C: the array `tables` of src/db/tables.h."""
    def one(t):
        columns = "".join(f'\t{{ "{c}", COLUMN_{kind.upper()} }},\n' for c, kind in t.columns)
        names = [c for c, _ in t.columns]
        key = ", ".join(str(names.index(k)) for k in t.key)
        return (f"static const struct table_column columns_{t.name}[] = {{\n{columns}}};\n"
                f"static const unsigned char key_{t.name}[] = {{ {key} }};\n")

    def row(t):
        up = t.name.upper()
        return (f'\t{{ "{t.name}", columns_{t.name}, {len(t.columns)}, key_{t.name}, {len(t.key)}, '
                f"{'true' if t.identity else 'false'},\n\t\tQ_COUNT_{up}, Q_EXPORT_FIRST_{up}, "
                f"Q_EXPORT_NEXT_{up}, Q_IMPORT_{up} }},\n")
    return ("\n".join(one(t) for t in tables) + "\nconst struct table tables[] = {\n"
            + "".join(row(t) for t in tables)
            + f"}};\n\nconst size_t table_count = {len(tables)};\n")
