"""Shapes of the miniature models: the real classes, a millionth of the size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

CONTEXT = 1024


def _ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    # A multiple of 64 is what matrix kernels like; the extra rows are never produced.
    return {
        "vocab_size": -(-len(tokenizer) // 64) * 64,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
        "max_position_embeddings": CONTEXT,
    }


def new_student(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        **_ids(tokenizer),
    )
    return Qwen3ForCausalLM(config)


def new_teacher(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    from transformers import GptOssConfig, GptOssForCausalLM

    config = GptOssConfig(
        hidden_size=128,
        intermediate_size=192,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        num_local_experts=4,
        num_experts_per_tok=2,
        sliding_window=256,
        # YaRN by a factor of 1 is plain RoPE; vLLM reads gpt-oss with YaRN only.
        rope_parameters={
            "rope_type": "yarn",
            "rope_theta": 10000.0,
            "factor": 1.0,
            "original_max_position_embeddings": CONTEXT,
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "truncate": False,
        },
        tie_word_embeddings=False,
        **_ids(tokenizer),
    )
    return GptOssForCausalLM(config)


def new_predictor(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    from transformers import Qwen3Config, Qwen3ForTokenClassification

    config = Qwen3Config(  # type: ignore[call-arg]
        hidden_size=64,
        intermediate_size=192,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        num_labels=2,
        id2label={0: "capability", 1: "style"},
        label2id={"capability": 0, "style": 1},
        **_ids(tokenizer),
    )
    return Qwen3ForTokenClassification(config)
