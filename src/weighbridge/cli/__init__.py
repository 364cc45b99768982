"""The command line. Each command has a file of its name and imports what it needs when it runs, so that `--help` is quick."""
