"""What outlives a process: SQLite and PostgreSQL behind one `Store`, and the private files beside it."""
