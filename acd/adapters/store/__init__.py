"""SQLite: one writer, numbered migrations."""
