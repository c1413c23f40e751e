"""How MUSE-Pytorch decodes, and TiTok after it: one falling temperature for tokens and choice, raw logits decide."""

from __future__ import annotations

import math

import torch


def generate(peer, label, uniforms, steps, temperature, share, scale, softmax_temperature=lambda ratio: 1.0):
    """Ids (B, N) by two uniforms (B, N) of each step, of tokens and of the choice.

    `share` of the tokens is masked still at a ratio of the steps, `scale` is that of l_null + s (l_class - l_null).
    """
    mask, num, null = peer.vocab_size, peer.num_tokens, torch.full_like(label, peer.num_classes)
    ids = torch.full((len(label), num), mask)
    for step in range(steps):
        ratio, masked = (step + 1) / steps, ids == mask
        falling = temperature * (1 - ratio)
        away = peer.logits(ids, null)
        logits = away + scale(step / steps) * (peer.logits(ids, label) - away)
        logits = logits / softmax_temperature(ratio)
        token, choice = uniforms(step)
        drawn = logits.argmax(-1)
        if falling:
            cumulative = (logits / falling).softmax(-1).cumsum(-1)
            drawn = (cumulative < token[..., None] * cumulative[..., -1:]).sum(-1)
        confidence = logits.gather(-1, drawn[..., None])[..., 0] - falling * (-choice.double().log()).log()
        confidence = torch.where(masked, confidence, math.inf)
        drawn = torch.where(masked, drawn, ids)
        left = max(1, min(int(masked[0].sum()) - 1, math.floor(num * share(ratio))))
        cut = confidence.sort(-1).values[:, left - 1 : left]
        ids = drawn if step == steps - 1 else torch.where(confidence <= cut, mask, drawn)
    return ids
