"""How a mistake gets its name: failures become findings on the smallest case."""
