"""What the machine and its installed libraries allow, and the sentences that say what they do not."""
