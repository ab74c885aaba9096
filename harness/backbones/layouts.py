"""The families of text-to-image pipelines, as the hub has them in folders: plain data, imports nothing heavy.

What a family computes is in `harness.backbones.families`; this is what can be said of it before any weight is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

PIECES: Final = "spiece.model"  # a tokenizer of SentencePiece's, where there is no tokenizer.json
CLIP = r"transformers\.CLIPTextModel"
CLIP_PROJECTED = r"transformers\.CLIPTextModelWithProjection"
CLIP_WORDS = r"transformers\.CLIPTokenizer(Fast)?"
T5 = r"transformers\.T5EncoderModel"
T5_WORDS = r"transformers\.T5Tokenizer(Fast)?"
# tokens of a prompt that a pipeline gives to T5, whatever the tokenizer says
T5_LENGTHS: Final[Mapping[str, int]] = {
    "PixArtAlphaPipeline": 120, "PixArtSigmaPipeline": 300, "StableDiffusion3Pipeline": 256,
}  # fmt: skip


@dataclass(frozen=True)
class TextPart:
    """A tokenizer and the text encoder that reads its ids.

    Attributes:
        tokenizer: Its folder. encoder: The encoder's.
        tokenizer_class, encoder_class: Patterns of what an index calls their classes, 'library.class'.
        optional: Whether a pipeline may be without it.
        short: What files of embeddings call the encoder, where a token has a part for each.
    """

    tokenizer: str
    encoder: str
    short: str = "clip_l"
    tokenizer_class: str = CLIP_WORDS
    encoder_class: str = CLIP
    optional: bool = False

    @property
    def in_pieces(self) -> bool:
        """Whether words are cut by SentencePiece, as T5's are, and not by CLIP's pairs of bytes."""
        return self.tokenizer_class == T5_WORDS


@dataclass(frozen=True)
class Layout:
    """What a pipeline of a family consists of.

    Attributes:
        name: In short. title: As messages say it.
        pipelines: Its classes in diffusers.
        denoiser: The folder of what predicts the noise. denoiser_class: Its class in diffusers.
        texts: Tokenizers and text encoders, in the order in which a custom token's embedding has its parts.
        unshared: Why not all that is adapted is given the same features of a prompt; empty where it is.
        flow: Whether noise is added along straight lines (rectified flow), and not by a diffusion's betas.
        upcasts_vae: Whether its VAE, where its configuration says so (force_upcast), overflows in float16.
        lower_case: Whether its pipelines put prompts into lower case before they read them.
    """

    name: str
    title: str
    pipelines: tuple[str, ...]
    denoiser: str
    denoiser_class: str
    texts: tuple[TextPart, ...]
    flow: bool = False
    unshared: str = ""
    lower_case: bool = False
    upcasts_vae: bool = False

    def as_read(self, prompt: str) -> str:
        """A prompt as tokenizers are given it."""
        return prompt.lower().strip() if self.lower_case else prompt

    @property
    def noun(self) -> str:
        """What messages call the denoiser."""
        return "U-Net" if self.denoiser == "unet" else "transformer"

    @property
    def pipeline(self) -> str:
        """The class of the first kind."""
        return self.pipelines[0]

    @property
    def classes(self) -> Mapping[str, str]:
        """Part -> pattern of its class, as 'library.class'."""
        found = {"scheduler": r"diffusers\.\w+Scheduler", "vae": r"diffusers\.Autoencoder(KL|Tiny)"}
        found[self.denoiser] = rf"diffusers\.{self.denoiser_class}"
        for text in self.texts:
            missing = r"|None\.None" if text.optional else ""
            found |= {text.tokenizer: text.tokenizer_class + missing, text.encoder: text.encoder_class + missing}
        return found

    def texts_of(self, index: Mapping[str, Any]) -> Iterator[TextPart]:
        """The tokenizers and encoders that a pipeline has, by its model_index.json."""
        return (text for text in self.texts if not (text.optional and index.get(text.encoder) in (None, [None, None])))


LAYOUTS: Final = (
    Layout(
        "sd", "Stable Diffusion", ("StableDiffusionPipeline",), "unet", "UNet2DConditionModel",
        (TextPart("tokenizer", "text_encoder"),),
    ),
    Layout(
        "sdxl", "Stable Diffusion XL", ("StableDiffusionXLPipeline",), "unet", "UNet2DConditionModel",
        (
            TextPart("tokenizer", "text_encoder"),
            TextPart("tokenizer_2", "text_encoder_2", "clip_g", encoder_class=CLIP_PROJECTED),
        ),
        upcasts_vae=True,
    ),
    Layout(
        "pixart", "PixArt", ("PixArtAlphaPipeline", "PixArtSigmaPipeline"), "transformer",
        "(PixArt)?Transformer2DModel", (TextPart("tokenizer", "text_encoder", "t5xxl", T5_WORDS, T5),),
        lower_case=True,
    ),
    Layout(
        "sd3", "Stable Diffusion 3", ("StableDiffusion3Pipeline",), "transformer", "SD3Transformer2DModel",
        (
            TextPart("tokenizer", "text_encoder", encoder_class=CLIP_PROJECTED),
            TextPart("tokenizer_2", "text_encoder_2", "clip_g", encoder_class=CLIP_PROJECTED),
            TextPart("tokenizer_3", "text_encoder_3", "t5xxl", T5_WORDS, T5, optional=True),
        ),
        flow=True, unshared="every layer sees other features of a prompt, which the image and the time are mixed into",
    ),
)  # fmt: skip

STABLE_DIFFUSION: Final = LAYOUTS[0]
PIPELINES: Final[Mapping[str, Layout]] = {name: layout for layout in LAYOUTS for name in layout.pipelines}
# folders that any of them has
TOKENIZERS: Final = tuple(dict.fromkeys(text.tokenizer for layout in LAYOUTS for text in layout.texts))
WEIGHTED: Final = tuple(
    dict.fromkeys([*(text.encoder for layout in LAYOUTS for text in layout.texts), "unet", "transformer", "vae"])
)
