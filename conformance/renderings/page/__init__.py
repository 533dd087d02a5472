"""The parts of the HTML page, from the top to the bottom, and the files of its style and script."""
