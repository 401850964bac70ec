"""The benchmarks: ours beside bare floors and peers, by the processor time that each one takes.

Knows of the program only how to start it, and what its API looks like from outside.
"""
