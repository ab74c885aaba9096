"""Where code comes from: the import path, the installed distributions, and the source that a method is written in."""
