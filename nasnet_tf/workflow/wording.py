"""Results in words."""

from __future__ import annotations

__all__ = ["number", "outcome"]


def number(value: float) -> str:
    """A reward in four decimals, or in three digits where these would show little of it."""
    return f"{value:.4f}" if abs(value) >= 0.01 or not value else f"{value:.3g}"


def outcome(result: dict, part: str = "test") -> str:
    """How a network does, as `nasnet_tf.training.scores` tells, in words."""
    part = "" if part == "all" else f"{part} "
    if "perplexity" not in result:
        said = f"{result['accuracy']:.2%} of {result['images']} {part}images right"
        if "interval" not in result:
            return said
        low, high = (100 * end for end in result["interval"])
        return f"{said} (95 % interval {low:.1f} to {high:.1f})"
    bits, unit = "", "words"
    if "bits_per_character" in result:
        bits, unit = f" ({result['bits_per_character']:.3f} bits a character)", "characters"
    perplexity = f"perplexity {result['perplexity']:.2f}{bits}"
    return f"{perplexity} on a {part}part of {result['words']} {unit}"
