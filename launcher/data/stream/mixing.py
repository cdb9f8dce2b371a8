"""Numbers to numbers that look random: what order and digests are made of."""

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]


def mix64(words: Words) -> Words:
    """A bijection of 64 bits in which every bit of the input moves about half of the output.

    It is the finaliser of SplitMix64 with the constants of Stafford's Mix13.
    """
    mixed = words ^ (words >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed
