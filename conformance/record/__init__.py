"""What a run says, as data: the report, the record on disk, and what can be read from it."""
