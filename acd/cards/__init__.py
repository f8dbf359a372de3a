"""What a finished call leaves: folded from the journal, numbered, exported."""
