"""One image file: telling what it is, and decoding it as a viewer would show it."""
