"""The command line: the same runs as the window's, from a terminal."""
