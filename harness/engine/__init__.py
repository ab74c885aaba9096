"""From a run to its steps, and through them: planning, scheduling, running, and showing progress."""
