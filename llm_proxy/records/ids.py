"""Ids: texts that are made up, and that nothing else has.

They name things and open nothing, so they need not be hard to guess.
"""

import random


def made_up(digits: int) -> str:
    """So many hexadecimal digits.

    Not by asking the system, which would let another thread take over amid every request. The
    numbers of a forked process are others than its parent's (`random` sees to that).
    """
    return f"{random.getrandbits(4 * digits):0{digits}x}"
