"""The commands that read records and cases: each module has `add(commands, parser)`, which adds itself."""
