"""What keeps a faulty plugin from spoiling a run: checks of its class, its hooks and its trainings, and its errors."""
