"""Cards say what was made of what, in a form that the hub reads."""

from __future__ import annotations

import yaml

from train.card import Score, data_card, model_card


def front(card: str) -> dict:
    _, head, _ = card.split("---\n", 2)
    return yaml.safe_load(head)


def test_a_models_card_has_parents_settings_counts_and_scores() -> None:
    settings = {"learning_rate": 5e-5, "train": {"epochs": 9, "system": "a | b\nc"}}
    counts = {"samples": 80000.0, "dropped_length": 3, "final_loss": 0.25, "tokens": 9}
    scores = [Score("ojbench", 0.25431, 928)]
    card = model_card("Qwen/Qwen3-8B", "tessy", "synthesize/tessy-1", settings, counts, scores)
    assert front(card)["base_model"] == "Qwen/Qwen3-8B"
    for row in (
        "| ojbench | 25.4 | 928 |",
        "| artifact | synthesize/tessy-1 |",
        "| samples | 80,000 |",
        "| dropped_length | 3 |",
        "| final_loss | 0.25 |",
        "| train.epochs | 9 |",
        "| train.system | a \\| b c |",
    ):
        assert row in card.splitlines(), row
    unscored = model_card("Qwen/Qwen3-8B", "tessy", "synthesize/tessy-1", settings, counts)
    assert "pass@1" not in unscored


def test_a_data_sets_card_says_who_wrote_it() -> None:
    card = data_card("teacher_only", {"samples": 9}, {"teacher_kept_tokens": 1e6})
    assert "tessy" in front(card)["tags"]
    assert "`teacher_only`" in card
    assert "| teacher_kept_tokens | 1,000,000 |" in card
