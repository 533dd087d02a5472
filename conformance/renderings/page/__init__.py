"""The parts of the HTML page, from the top to the bottom, and the file of its style and of its script."""
