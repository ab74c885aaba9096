"""The embedded tokenizer: CLIP's byte-level BPE with a small vocabulary in which every caption word is one token."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Whitespace
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTokenizer

from benchmarks.mini.captions import all_caption_words

CONTEXT_LENGTH = 48  # a caption that names every factor of an identity has 46 tokens
BOS, EOS = "<|startoftext|>", "<|endoftext|>"


def build_tokenizer(folder: Path) -> CLIPTokenizer:
    """Write `vocab.json` and `merges.txt` into `folder` and load them; any UTF-8 text can be encoded."""
    trained = Tokenizer(BPE(end_of_word_suffix="</w>"))
    trained.pre_tokenizer = Whitespace()
    trainer = BpeTrainer(
        vocab_size=100_000, min_frequency=1, end_of_word_suffix="</w>", initial_alphabet=ByteLevel.alphabet()
    )
    trained.train_from_iterator(all_caption_words(), trainer)
    merges = json.loads(trained.to_str())["model"]["merges"]
    alphabet = sorted(ByteLevel.alphabet())
    tokens = [*alphabet, *(letter + "</w>" for letter in alphabet), *(a + b for a, b in merges), BOS, EOS]
    vocabulary = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return CLIPTokenizer(
        vocab=str(folder / "vocab.json"),
        merges=str(folder / "merges.txt"),
        model_max_length=CONTEXT_LENGTH,
        pad_token=EOS,
        unk_token=EOS,
        bos_token=BOS,
        eos_token=EOS,
    )
