"""Tokenizers that need no download: one token per character or byte.

Pipelines pad prompts to a fixed length, so a text encoder of the published size does the same
work on these tokens as on its own; only the words mean nothing to it.
"""

from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import CLIPTokenizer, PreTrainedTokenizerFast

CHARACTERS = [chr(code) for code in range(32, 127)]
CHAT = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def t5_tokenizer(max_length: int) -> Any:
    """For T5, UMT5: 0 pads, 1 ends, 2 is unknown, one token per printable character.

    Built from an explicit vocabulary, since transformers 5 silently ignores the vocabulary files
    of ``T5TokenizerFast``.

    Args:
        max_length: tokens of a padded prompt when the pipeline names no length.
    """
    words = {word: place for place, word in enumerate(["<pad>", "</s>", "<unk>", *CHARACTERS])}
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    made.decoder = decoders.Fuse()
    made.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )


def chat_tokenizer(max_length: int) -> Any:
    """For chat models such as Qwen3: the same characters behind a template without roles."""
    made = t5_tokenizer(max_length)
    made.chat_template = CHAT
    return made


def clip_tokenizer(max_length: int) -> Any:
    """For CLIP: the byte alphabet, alone and at the end of a word, and two special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = [*alphabet, *(f"{letter}</w>" for letter in alphabet)]
    names += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {name: place for place, name in enumerate(names)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=max_length)


def nothing() -> None:
    """In the place of a component that is left out."""
