"""Numbers that look random and depend on nothing but the key: so a person keeps device and address in every chunk."""

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]


def mixed(keys: npt.NDArray[np.integer], salt: int) -> Keys:
    """64 well-mixed bits for each key (the finalizer of splitmix64), another stream for each salt."""
    with np.errstate(over="ignore"):
        bits = keys.astype(np.uint64) + np.uint64((salt * 0x9E3779B97F4A7C15) % 2**64)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return bits ^ (bits >> np.uint64(31))


def fractions(keys: npt.NDArray[np.integer], salt: int) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each key."""
    return (mixed(keys, salt) >> np.uint64(11)).astype(np.float64) / 2.0**53
