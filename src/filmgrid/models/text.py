"""Prompts as spelled words: bytes grouped by word, so no vocabulary file is needed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from filmgrid.errors import ConfigError

PAD = 0
WIDTH_STEP = 16
VOCABULARY = 257  # the 256 bytes, shifted by one to leave 0 for padding


@dataclass(frozen=True, slots=True)
class ByteWords:
    """Turns prompts into a table of words, each spelled in UTF-8 bytes.

    A word longer than ``word_bytes`` goes on in the next place, so that nothing of a prompt
    is lost. Case and spacing carry no meaning to the small encoder and are folded.

    Args:
        max_words: places for words in a prompt.
        word_bytes: bytes per place.
    """

    max_words: int
    word_bytes: int

    def words(self, prompt: str) -> list[bytes]:
        """Cut a prompt into spelled words, at most ``word_bytes`` long each."""
        tokens = re.findall(r"\w+|[^\w\s]", prompt.lower())
        spelled = [token.encode("utf-8") for token in tokens]
        step = self.word_bytes
        return [word[i : i + step] for word in spelled for i in range(0, len(word), step)]

    def encode(self, prompts: Sequence[str]) -> Int[Tensor, "b words word_bytes"]:
        """Spell each prompt; an empty prompt is all padding, the null condition.

        The table is as wide as the longest prompt needs, in steps of 16 places (less one, which
        the encoder fills), so that few widths occur.

        Raises:
            ConfigError: if a prompt has more words than the model reads.
        """
        spelled = [self.words(prompt) for prompt in prompts]
        longest = max((len(words) for words in spelled), default=0)
        width = min(self.max_words, WIDTH_STEP * (longest // WIDTH_STEP + 1) - 1)
        table = np.full((len(prompts), max(width, 1), self.word_bytes), PAD, np.int64)
        for row, words in enumerate(spelled):
            if len(words) > self.max_words:
                raise ConfigError(
                    f"The prompt has {len(words)} words and this model reads {self.max_words}. "
                    f"Shorten it by {len(words) - self.max_words}: it ends at "
                    f"{words[self.max_words - 1].decode(errors='replace')!r} now."
                )
            for place, word in enumerate(words):
                table[row, place, : len(word)] = np.frombuffer(word, np.uint8)
                table[row, place, : len(word)] += 1
        return torch.from_numpy(table)
