"""The true architecture of a pipeline's networks, on the meta device: to count without weights."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final

import torch
from torch import Tensor, nn

from harness.backbones.adapters import all_attention
from harness.backbones.architecture import Blueprint, blueprint
from harness.backbones.families import FAMILIES
from harness.backbones.families.family import Family
from harness.backbones.text import Text, tables_of
from harness.spec import Adapted

META: Final = torch.device("meta")


class Architecture:
    """An `Adaptable` without weights: what a method attaches to it can be counted, nothing can be run."""

    def __init__(self, plan: Blueprint) -> None:
        """`plan`: of the whole pipeline, or of its denoiser and the widths of its text encoders."""
        self.denoiser = denoiser_of(plan)
        self.projections = family_of(plan).projections(self.denoiser)
        self.shapes = {name: projection.weight.shape for name, projection in self.projections.items()}
        self._of_text = self.projections
        self.token_widths = plan.token_widths
        self.token_dim = sum(self.token_widths)

    def adapt(self, what: Adapted) -> None:
        """See `TextToImage.adapt`."""
        self.projections = self._of_text if what == "text" else all_attention(self.denoiser)
        self.shapes = {name: projection.weight.shape for name, projection in self.projections.items()}

    def change(self, name: str) -> Tensor:
        """A tensor of the projection's shape, without content."""
        return torch.empty(self.shapes[name], device=META)

    def token_start(self, kind: str) -> Tensor:
        """Zeros, (token_dim,)."""
        return torch.zeros(self.token_dim)

    def token_scale(self, part: int = 0) -> float:
        """The scale of a token embedding (irrelevant to a count)."""
        return 1.0


def sd14() -> Architecture:
    """Stable Diffusion 1.4: 859,520,964 parameters, 32 K/V matrices with 19,169,280 entries."""
    return Architecture(blueprint("sd-1.4"))


def family_of(plan: Blueprint) -> Family:
    """What a pipeline's family computes."""
    return FAMILIES[plan.layout.name](plan.pipeline, plan.denoiser, plan.resolution)


def denoiser_of(plan: Blueprint) -> nn.Module:
    """The U-Net or transformer, frozen."""
    import diffusers

    diffusers.logging.set_verbosity_error()  # it warns of precisions, which nothing is computed in here
    kinds: Mapping[str, Any] = {
        "sd": diffusers.UNet2DConditionModel, "sdxl": diffusers.UNet2DConditionModel,
        "pixart": diffusers.PixArtTransformer2DModel, "sd3": diffusers.SD3Transformer2DModel,
    }  # fmt: skip
    with torch.device(META):
        made: nn.Module = _frozen(_of_settings(kinds[plan.layout.name], plan.denoiser))
    return made


def vae_of(plan: Blueprint) -> Any:
    """The VAE, frozen."""
    from diffusers import AutoencoderKL, AutoencoderTiny

    with torch.device(META):
        return _frozen(
            _of_settings(AutoencoderTiny if plan.vae_class == "AutoencoderTiny" else AutoencoderKL, plan.vae)
        )


def readers_of(plan: Blueprint) -> list[MetaReader]:
    """Text encoders, frozen, and what stands for their tokenizers."""
    import transformers

    encoders: list[nn.Module] = []
    for text, given in zip(plan.layout.texts, plan.texts, strict=False):
        config: Any = transformers.T5Config if text.in_pieces else transformers.CLIPTextConfig
        kind = getattr(transformers, text.encoder_class.rpartition(".")[2])
        arguments = {name: value for name, value in _arguments(given).items() if name not in ("dtype", "torch_dtype")}
        with torch.device(META):
            encoders.append(_frozen(kind(config(**arguments))))
    lengths = [SimpleNamespace(model_max_length=each.get("max_position_embeddings", 0)) for each in plan.texts]
    return [
        MetaReader(encoder, length) for encoder, length in zip(encoders, family_of(plan).lengths(lengths), strict=True)
    ]


class MetaReader:
    """Takes the place of a `Reader`: prompts of unknown words."""

    def __init__(self, encoder: nn.Module, length: int) -> None:
        self.encoder, self.length = encoder, length
        self.tables = tables_of(encoder)

    def ids(self, prompts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """As `Reader` has it, without content."""
        ids = torch.empty(len(prompts), self.length, dtype=torch.long, device=META)
        return ids, torch.ones_like(ids)

    def encode(self, ids: Tensor, **arguments: Any) -> Any:
        """As `Reader` has it; without a mask, whose content transformers would ask for. It changes no count."""
        return self.encoder(ids, **{name: value for name, value in arguments.items() if name != "attention_mask"})


def text_of(plan: Blueprint, readers: Sequence[MetaReader]) -> Text:
    """What the denoiser is shown of one prompt, without content."""
    stand_ins: Any = readers
    with torch.no_grad():
        return family_of(plan).read(stand_ins, [""])


def _frozen(module: Any) -> Any:
    return module.requires_grad_(False).eval()


def _of_settings(kind: Any, config: Mapping[str, Any]) -> Any:
    """A network of diffusers', by what it takes of a configuration: PixArt's on the hub are of a more general class."""
    taken = inspect.signature(kind.__init__).parameters
    return kind(**{name: value for name, value in config.items() if name in taken})


def _arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name[0] != "_"}
