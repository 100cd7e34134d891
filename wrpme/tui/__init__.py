"""wrpmesh as a terminal application."""
