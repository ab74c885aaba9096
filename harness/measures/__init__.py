"""The metrics that ship with the program beside its settings' own figures, one a file; `--metrics` names them."""
