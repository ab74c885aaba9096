"""The paper's tables and figures with our results beside the published ones."""
