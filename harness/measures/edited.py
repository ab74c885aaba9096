"""Whether a concept survives an edited prompt, and whether the edit does: 'a photo of a V* X at night'."""

from __future__ import annotations

from harness.measures.clip_i import ClipI
from harness.measures.clip_t import ClipT


class EditedClipT(ClipT):
    """CLIP-T of edited prompts: how well images of the concept fit the edit."""

    name = "edited_clip_t"
    title = "CLIP-T, edited prompts"
    summary = (
        "Mean cosine of the features of images of edited prompts, by the model after the last task, with those of the "
        "prompt without the custom token; mean over the benchmark's edits."
    )
    edited = True


class EditedClipI(ClipI):
    """CLIP-I of edited prompts: how alike images of the concept stay to its real ones."""

    name = "edited_clip_i"
    title = "CLIP-I, edited prompts"
    summary = (
        "Mean cosine of the features of images of edited prompts, by the model after the last task, with those of the "
        "task's real images; mean over the benchmark's edits."
    )
    edited = True
