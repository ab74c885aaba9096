"""For authors of plugins: a first file to write in, and a look at what they have written."""
