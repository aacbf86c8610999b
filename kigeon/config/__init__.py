"""The configuration: what a file may say, what is wrong with it, and the frozen settings that come out."""
