"""Images that lie among photographs and may be none: icons and thumbnails by their size, others by their names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from statistics import median

from harness.data.masks import Toned
from harness.data.skipped_files import few, few_of
from harness.errors import shortened
from harness.formats.figure_text import counted

ICON, LARGE = 64, 128  # pixels of the shorter side: what is below is an icon, where another image has so many
PART = 4  # one of the shorter sides that is below such a part of their median is a thumbnail's
_SHEET = re.compile(
    r"(?!.*removebg)(?:.*[\s_.-])?(?:contact[\s_-]?sheet|(?:in|photo|pic)?[\s_-]?collage(?:[\s_-]?maker)?|fotojet|"
    r"layout|montage|mosaic|photo[\s_-]?grid|preview|proof[\s_-]?sheet|sprite(?:[\s_-]?sheet)?)s?"
    r"(?:[\s_.-]*\(?\d+\)?)*",
    re.IGNORECASE,
)
_ACCOUNT = re.compile(
    r"(?:.*[\s_.-])?(?:avatar|favicon|profile[\s_-]?(?:image|photo|pic|picture))s?(?:[\s_.-]*\(?\d+\)?)*", re.IGNORECASE
)
_SCREEN = re.compile(
    r"(?:screen[\s_-]?(?:shot|capture)|scrnshot|bildschirmfoto|capture d.[ée]cran|captura de (?:pantalla|ecr[ãa]|tela)|"
    r"schermafbeelding|schermata|skärmavbild|skærmbillede|skjermbilde|zrzut ekranu|снимок экрана|スクリーンショット|"
    r"屏幕截图|截屏|스크린샷)(?![^\W\d_]).*",
    re.IGNORECASE,
)
# As services and programs call what a model drew for them: "DALL·E 2024-03-01 10.22.33 - A cat", "ComfyUI_00001_", and
# "00012-3456789012" of number and seed.
_DRAWN = re.compile(
    r"(?:dall[·\s_.-]?e[\s_-]\d|chatgpt image\W|copilot_\d{8}_|comfyui_\d|gemini_generated_image|grok[\s_-]image[\s_-]|"
    r"midjourney[\s_-]|leonardo_(?:anime|diffusion|kino|lightning|phoenix)|stable[\s_-]?diffusion[\s_-]).*|"
    r"\d{5}-(?!(?:19|20)\d{6}(?:\D|$))\d{8,10}(?:-\D.*)?|firefly[\s_](?:.+[\s_]\d{5,6}|\d{14})|"
    # a user's name, a prompt and a UUID of Midjourney; "OIG1.x8Yab_cQ" of Bing
    r"[^_]+(?:_[^\W\d_]+){2,}(?:_[^_]+)*_[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}(?:[\s_]\d)?|oig\d?(?:\.[\w.-]+)?|"
    r"(?:.*[\s_-])?(?:ai[\s_-]generated|txt2img|img2img)(?:[\s_-].*)?",
    re.IGNORECASE,
)
# What agencies call the small pictures that they show before one is bought, with their mark across; what was bought is
# called otherwise ("AdobeStock_123", "shutterstock_123").
_UNBOUGHT = re.compile(
    r"istockphoto-\d+-\d+x\d+|gettyimages-\d+-\d+x\d+|depositphotos_\d+-.+|\d{3,4}_F_\d+_\w+|"
    r".*stock-(?:footage|illustration|photo|vector)-.+|.+-\d{3}(?:nw|w)-\d{7,}",
    re.IGNORECASE,
)
_AUGMENTED = re.compile(r"(?:.*[\s_.-])?aug(?:mented)?(?:[\s_.-]+\d+){2,}", re.IGNORECASE)  # as Keras numbers them
_BACK = re.compile(r"(?P<front>.+)_b", re.IGNORECASE)  # what scanners of prints call the back of `x`


def strays_said(folders: Mapping[Path, Mapping[Path, Toned]], known: Collection[Path] = ()) -> list[str]:
    """Sentences on the images of each folder that are much smaller than others there, or called as what is no picture.

    Args:
        folders: of each folder, its images. known: those that say themselves where they are from.
    """
    return [
        line
        for folder, images in folders.items()
        for line in (*_small(folder, images), *_called(folder, images, known))
    ]


def _small(folder: Path, images: Mapping[Path, Toned]) -> list[str]:
    sides = {path: min(one.size) for path, one in images.items()}
    least = max(ICON if max(sides.values(), default=0) >= LARGE else 0, median(sides.values() or [0]) / PART)
    found = [path for path, side in sides.items() if side < least]
    sizes = [f"{images[path].size[0]} x {images[path].size[1]}" for path in found]
    if len(found) == 1:
        return [
            f"{shortened(found[0])} has {sizes[0]} pixels, far fewer than others there; if it is an icon or a "
            "thumbnail, remove it."
        ]
    named = (
        few_of([f"{shortened(path.name)} ({size})" for path, size in zip(found, sizes, strict=True)]) if found else ""
    )
    text = f"{shortened(folder)}: {len(found)} images have far fewer pixels than others there: {named}; if they are "
    return [f"{text}icons or thumbnails, remove them."] if found else []


def _called(folder: Path, images: Mapping[Path, Toned], known: Collection[Path]) -> list[str]:
    """By their names; unless the folder is called so, too: a concept may be a collage."""
    stems = {path.stem.casefold() for path in images}
    backs = [p for p in images if (back := _BACK.fullmatch(p.stem)) and back["front"].casefold() in stems]
    unsaid = [path for path in images if path not in known]
    kinds = (
        (_named(_SHEET, folder, images), ("image is a preview or a sheet", "images are previews or sheets"),
         "of several pictures by the name"),
        (_named(_ACCOUNT, folder, images), ("image is", "images are"), "of an account, not of its posts, by the name"),
        (_named(_SCREEN, folder, unsaid), ("image is", "images are"), "what a screen showed, by the name"),
        (_named(_DRAWN, folder, unsaid), ("image was", "images were"), "drawn by a model, by the name"),
        (_named(_UNBOUGHT, folder, images), ("image is", "images are"),
         "what an agency shows with its mark across, by the name"),
        (_named(_AUGMENTED, folder, images), ("image is", "images are"), "made of other pictures, by the name"),
        (backs, ("image is", "images are"), "the back of a print by the name"),
    )  # fmt: skip
    return [
        f"{shortened(folder)}: {counted(len(found), *which)} {what}: {few([path.name for path in found])}; if so, "
        f"remove {'it' if len(found) == 1 else 'them'}."
        for found, which, what in kinds
        if found
    ]


def _named(pattern: re.Pattern[str], folder: Path, images: Iterable[Path]) -> list[Path]:
    return [] if pattern.fullmatch(folder.name) else [one for one in images if pattern.fullmatch(one.stem)]
