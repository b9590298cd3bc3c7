"""The embedded stack: every server and process of Everorder as a child of one command, kept alive and cleaned up."""
