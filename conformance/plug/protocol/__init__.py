"""A subject in a process of its own: messages over its standard streams, in any language."""

COMMAND = "command:"  # a target that begins so is a command line
