"""Where the results of steps are kept: the store, its checkpoints, the identity of results, versions of files."""
