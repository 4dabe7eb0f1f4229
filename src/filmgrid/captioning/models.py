"""Vision-language models: at an OpenAI-compatible endpoint, or here by transformers."""

import base64
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from filmgrid.captioning.answers import UnusableError
from filmgrid.captioning.config import CaptionConfig
from filmgrid.captioning.words import Turn
from filmgrid.data.pictures import to_png
from filmgrid.errors import CheckpointError, ConfigError

log = logging.getLogger(__name__)
NO_KEY = "none"
"""Sent where no key is set: servers on one's own machine ask for none."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote, and the tokens it took."""

    text: str
    tokens_in: int
    tokens_out: int


class FailedError(Exception):
    """No answer to be had for one sequence; the next may be answered."""


class Captioner(ABC):
    """A model that answers conversations; may be asked from several threads.

    Attributes:
        name: of the model and of where it runs, for the cache.
        concurrency: conversations it may be asked at a time.
    """

    name: str
    concurrency: int

    @abstractmethod
    def ask(self, turns: Sequence[Turn], schema: dict[str, Any] | None) -> Reply:
        """Answer a conversation, as JSON of a schema if there is one.

        Raises:
            UnusableError: if it refuses, or was cut off.
            FailedError: if there is no answer after all tries.
            ConfigError: if no conversation will ever be answered.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of connections; requests under way fail."""


def open_captioner(config: CaptionConfig) -> Captioner:
    """The model of a configuration.

    Raises:
        ConfigError: if a package or a key is missing.
        CheckpointError: if a local model cannot be loaded.
    """
    return Local(config) if config.local else Endpoint(config)


class Endpoint(Captioner):
    """A model at an OpenAI-compatible endpoint: OpenAI, vLLM, SGLang, Ollama, and others.

    The client tries again after a busy or failing server, with pauses that grow or that the
    server asks for. Servers that refuse a schema are asked without: the words say it too.
    """

    def __init__(self, config: CaptionConfig) -> None:
        try:
            import openai
        except ModuleNotFoundError as error:
            raise ConfigError(
                "Captions from an endpoint need the client of OpenAI. Install it with "
                "`pip install 'filmgrid[caption]'`, or use --local."
            ) from error
        place = config.base_url or os.environ.get("OPENAI_BASE_URL")
        key = os.environ.get("OPENAI_API_KEY")
        if not key and not place:
            raise ConfigError(
                "OpenAI's endpoint needs a key. Set OPENAI_API_KEY, or name another endpoint "
                "with --base-url, such as http://localhost:11434/v1."
            )
        self._errors = openai
        self._config = config
        self._takes_schema = True
        self._client: Any = openai.OpenAI(
            api_key=key or NO_KEY,
            base_url=place,
            timeout=config.timeout,
            max_retries=config.retries,
        )
        self.name = f"{config.model} at {self._client.base_url}"
        self.concurrency = config.concurrency

    def ask(self, turns: Sequence[Turn], schema: dict[str, Any] | None) -> Reply:
        """See :class:`Captioner`."""
        errors, model, place = self._errors, self._config.model, self._client.base_url
        messages = [_message(turn) for turn in turns]
        try:
            answer = self._send(messages, schema if self._takes_schema else None)
        except errors.AuthenticationError as error:
            raise ConfigError(f"{place} does not take the key in OPENAI_API_KEY.") from error
        except errors.PermissionDeniedError as error:
            raise ConfigError(f"{place} does not allow it: {_short(error)}") from error
        except errors.NotFoundError as error:
            raise ConfigError(
                f"{place} has no model {model}, or is no OpenAI-compatible endpoint, whose "
                f"address mostly ends with /v1: {_short(error)}"
            ) from error
        except errors.APITimeoutError as error:
            raise FailedError(f"no answer within {self._config.timeout:g} s") from error
        except errors.APIConnectionError as error:
            cause = _short(error.__cause__ or error)
            raise FailedError(f"the connection to {place} failed: {cause}") from error
        except errors.APIStatusError as error:
            raise FailedError(f"the server says {error.status_code}: {_short(error)}") from error
        except (errors.OpenAIError, ValueError) as error:  # a body that is no answer at all
            raise FailedError(f"the server's answer cannot be read: {_short(error)}") from error
        choice = next(iter(getattr(answer, "choices", None) or []), None)
        if choice is None or choice.message is None:
            raise FailedError("the server's answer has no message")
        used = answer.usage
        if choice.message.refusal or choice.finish_reason == "content_filter":
            raise UnusableError(f"It was refused: {choice.message.refusal or 'filtered'}.")
        if choice.finish_reason == "length":
            raise UnusableError(f"It was cut off after {self._config.max_tokens} tokens. Be short.")
        return Reply(
            choice.message.content or "",
            used.prompt_tokens if used else 0,
            used.completion_tokens if used else 0,
        )

    def close(self) -> None:
        """See :class:`Captioner`."""
        self._client.close()

    def _send(self, messages: list[Any], schema: dict[str, Any] | None) -> Any:
        config = self._config
        more: dict[str, Any] = {}
        if schema is not None:
            wanted = {"name": "caption", "strict": True, "schema": schema}
            more = {"response_format": {"type": "json_schema", "json_schema": wanted}}
        try:
            return self._client.chat.completions.create(
                model=config.model,
                messages=messages,
                max_tokens=config.max_tokens,
                temperature=config.temperature,
                **more,
            )
        except (self._errors.BadRequestError, self._errors.UnprocessableEntityError) as error:
            named = any(word in str(error) for word in ("response_format", "schema"))
            if schema is None or not named:
                raise
            if self._takes_schema:
                self._takes_schema = False
                log.info(f"{self._client.base_url} takes no JSON schema; it is asked in words.")
            return self._send(messages, None)


class Local(Captioner):
    """A model of transformers on this machine, one conversation at a time."""

    def __init__(self, config: CaptionConfig) -> None:
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor

        from filmgrid.models.precision import choose_device, choose_dtype

        self._config = config
        self._device = choose_device(config.device)
        dtype = choose_dtype(config.precision, self._device)
        try:
            self._processor: Any = AutoProcessor.from_pretrained(config.model)
            model: Any = AutoModelForImageTextToText.from_pretrained(config.model, dtype=dtype)
        except (OSError, ValueError, ImportError, KeyError) as error:
            raise CheckpointError(
                f"{config.model} cannot be loaded as a vision-language model of transformers: "
                f"{_short(error)} Name a folder or a Hub id, such as Qwen/Qwen3-VL-4B-Instruct."
            ) from error
        self._model = model.to(self._device).eval()
        self._dtype = dtype
        self._torch = torch
        self.name = f"{config.model} here"
        self.concurrency = 1

    def ask(self, turns: Sequence[Turn], schema: dict[str, Any] | None) -> Reply:
        """See :class:`Captioner`; the schema is asked for in words alone."""
        inputs = self._processor.apply_chat_template(
            [_chat(turn) for turn in turns],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self._device, self._dtype)
        config = self._config
        sampled = {"do_sample": True, "temperature": config.temperature}
        with self._torch.inference_mode():
            out = self._model.generate(
                **inputs,
                max_new_tokens=config.max_tokens,
                **(sampled if config.temperature else {"do_sample": False}),
            )
        sent = inputs["input_ids"].shape[1]
        written = out[0, sent:]
        ends = self._model.generation_config.eos_token_id
        ended = int(written[-1]) in (ends if isinstance(ends, list) else [ends])
        if len(written) == config.max_tokens and not ended:
            raise UnusableError(f"It was cut off after {config.max_tokens} tokens. Be short.")
        text = self._processor.decode(written, skip_special_tokens=True)
        return Reply(text, sent, len(written))

    def close(self) -> None:
        """See :class:`Captioner`."""


def _message(turn: Turn) -> dict[str, Any]:
    """A turn as the endpoint takes it."""
    if not turn.pictures:
        return {"role": turn.role, "content": turn.text}
    parts: list[dict[str, Any]] = []
    for picture in turn.pictures:
        data = base64.b64encode(to_png(picture)).decode()
        parts.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}})
    return {"role": turn.role, "content": [*parts, {"type": "text", "text": turn.text}]}


def _chat(turn: Turn) -> dict[str, Any]:
    """A turn as chat templates take it."""
    pictures = [{"type": "image", "image": picture} for picture in turn.pictures]
    return {"role": turn.role, "content": [*pictures, {"type": "text", "text": turn.text}]}


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return text if text.endswith(".") else f"{text}."
