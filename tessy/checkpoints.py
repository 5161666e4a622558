"""Where a model's files are: shipped with tessy, a local folder, or the Hugging Face cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tessy.errors import CheckpointError, MissingError, nearest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MINI = Path(__file__).parent / "mini" / "checkpoints"
MINI_PREFIX = "mini:"


def locate(path: str, weights: bool = True) -> Path:
    """The folder that holds a model, complete with tokenizer.

    Args:
        path: `mini:NAME` (ships with tessy), a local folder, or a Hugging Face id, which must
            already be in the local cache: nothing is downloaded here.
        weights: whether they must be there too; whom a server elsewhere serves needs none here.

    Raises:
        MissingError: the model is not on this machine.
        CheckpointError: the folder lacks a file.
    """
    if path.startswith(MINI_PREFIX):
        name = path.removeprefix(MINI_PREFIX)
        folder = MINI / name
        if not folder.is_dir():
            known = [p.name for p in MINI.iterdir()] if MINI.is_dir() else []
            raise MissingError(f"no miniature checkpoint {name!r} in {MINI}", nearest(name, known))
    elif Path(path).is_dir():
        folder = Path(path)
    else:
        folder = _cached(path)
    _check_files(folder, weights)
    return folder


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of the checkpoint in `folder`.

    Raises:
        CheckpointError: it cannot be read.
    """
    from transformers import PreTrainedTokenizerFast

    # Reads tokenizer.json as it is. AutoTokenizer makes it anew by the class that the checkpoint
    # names: DeepSeek's name Llama's, which loses every space (transformers 5, issue 45488).
    try:
        return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"the tokenizer in {folder} cannot be read ({error})", "copy the tokenizer files there"
        ) from error


def _cached(model_id: str) -> Path:
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(model_id, "config.json") if model_id.count("/") == 1 else None
    if not isinstance(config, str):
        raise MissingError(
            f"model {model_id!r} is neither a folder nor in the Hugging Face cache",
            f"run `hf download {model_id}` or set the model's path to a folder",
        )
    return Path(config).parent


def _check_files(folder: Path, weights: bool) -> None:
    missing = [
        n
        for n in ("config.json", "tokenizer.json", "tokenizer_config.json")
        if not (folder / n).is_file()
    ]
    if weights and not list(folder.glob("*.safetensors")):
        missing.append("*.safetensors")
    if missing:
        raise CheckpointError(
            f"checkpoint {folder} lacks {', '.join(missing)}",
            "copy the missing files into it or point the model's path at a complete checkpoint",
        )
