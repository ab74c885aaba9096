"""What differs from setting to setting, behind one interface: see `harness.settings.base`."""
