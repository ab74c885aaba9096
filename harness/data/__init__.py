"""Data sets: folders of the user's own images, published data sets, and manifests that say which files are meant."""
