"""A subject in a process of its own: messages over its standard streams, in any language."""
