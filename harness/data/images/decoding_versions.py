"""What stands for a photograph in the key of a result: its bytes, and how they are shown where that has changed.

So a change of the decoding makes new only what was made from photographs that it shows in another way.
"""

from __future__ import annotations

# Add one more when some images are shown in another way than before, and let `decoding` give it to those.
PROFILES = 2  # colour profiles are applied, and an empty first frame is passed over
NEGATIVES = 3  # TIFFs of more than 8 bits in which 0 is white are shown so


def image_key(sha256: str, decoding: int) -> str:
    """What stands for an encoded image.

    Args:
        sha256: of its bytes, in hexadecimal digits. decoding: the version since which it is shown as now.
    """
    return sha256 if decoding == 1 else f"{sha256} as decoded since version {decoding}"
