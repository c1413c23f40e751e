"""What a sampler calls: network, condition, guidance, warps and evaluation counter as one object."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.condition import KNOWN, Condition, Context
from lightgen.functional import warping
from lightgen.functional.lookup import Lookup, Place, pick
from lightgen.guidance.base import TOWARDS, Branch, Guidance, Unguided
from lightgen.layout import Layout
from lightgen.prediction import Prediction
from lightgen.types import Diffusing, Incremental, NoiseLevel, Ordered, Reader
from lightgen.warps import Warps

PAINTING = 1.0
"""w0 of painting with words, of which one block of three attends to any: in benchmarks/studies/layouts.py, the map is
followed in 83 of 100 regions, in two more trainings in all, and in 52 by the 0.1 of cloneofsimo/paint-with-words-sd; 50
are chance."""
MOST_NOISE = 15.0
"""Sigma at most, as in Stable Diffusion; of masked tokens it would be infinite at first."""

NetworkLike = Callable[[Tensor, Tensor | None, Context | None], Tensor]
"""`(ids_BN, time_B, context) -> logits_BNV`: a `Network`, or any function in its place."""


class Denoiser:
    """A network with the condition of a batch bound to it.

    Args:
        network: `(ids_BN, time_B, context) -> logits_BNV`. A `Network` turns conditions into contexts itself; a
            function is called with None.
        layout: where the tokens stand; its `mask` is the id of MASK.
        condition: what each of the B pictures is asked for.
        negative: what they are to go away from, in place of nothing, where guidance asks.
        warps: applied to the logits of every call.
        guidance: towards the condition; None does without.
        process: what the network was trained with, for samplers that step back in time.
        critic: a second network, `(ids_BN, None, context) -> (B, N, 1)`: how likely each token is wrong, as a logit.
        reads_time: whether the network makes use of the time; None asks the network.
    """

    evaluations: Tensor
    """(B,) network evaluations of each row so far, once `bind` was called."""
    position: Place | None = None
    """The last that a causal network was asked for; None before it is asked."""
    _order: Lookup
    rows: Tensor
    """(A,) where the rows that are still sampled stand in the batch."""

    def __init__(
        self,
        network: NetworkLike,
        layout: Layout,
        condition: Condition | None = None,
        negative: Condition | None = None,
        warps: Warps | None = None,
        guidance: Guidance | None = None,
        process: Diffusing | None = None,
        critic: NetworkLike | None = None,
        reads_time: bool | None = None,
    ) -> None:
        self.network, self.critic = network, critic
        self.layout, self.process = layout, process
        self.condition, self.negative = condition or Condition(), negative or Condition()
        self.warps, self.guidance = warps or Warps(), guidance or Unguided()
        self.reads_time = getattr(network, "reads_time", False) if reads_time is None else reads_time
        self.branches, self._constant = self.guidance.branches, self.guidance.constant
        self._masks = any(branch.masked for branch in self.branches)
        self._reads_known = getattr(getattr(network, "conditioner", None), "reads_known", False)
        self._context: Context | None = None
        self._critics: Context | None = None
        self._confidence: Tensor | None = None
        self._given: Tensor | None = None
        self.keeps = False
        self.forget()

    def bind(self, rows: Tensor, keeps: bool = False, given_BN: Tensor | None = None) -> Denoiser:
        """The denoiser for a whole batch, with its counter at zero.

        Args:
            rows: (B,) 0 to B - 1.
            keeps: whether to keep the last logits, to be looked at, or used again.
            given_BN: (B, N) True where a token is given; None takes those that are not MASK at the first evaluation.
        """
        bound = copy(self)
        bound.rows, bound.evaluations = rows, torch.zeros_like(rows)
        bound.keeps, bound._confidence, bound._given = keeps, None, given_BN
        bound._look(given_BN)
        bound.position = None
        bound.forget()
        return bound

    def forget(self) -> None:
        """Drop what is kept of earlier evaluations."""
        self.own: Tensor | None = None
        """(A, N, V), or (A, V) of a causal network: the last logits before the warps, where they are kept."""
        self._read: Tensor | None = None
        self._awaited: Tensor | None = None
        self._stale: tuple[Tensor, Denoiser] | None = None
        self.reader: Reader | None = None
        """Of a causal network, on its way."""

    def edited(self, known_AN: Tensor) -> None:
        """Ids were changed from outside, or which of them are known: (A, N)."""
        self.forget()
        self._given = known_AN
        if self._reads_known:
            self._look(known_AN)

    def select(self, rows: Tensor) -> Denoiser:
        """The denoiser of some of its rows (an index or a boolean mask); it goes on counting in the same place."""
        some = copy(self)
        some.rows = self.rows[rows]
        some.condition, some.negative = self.condition.select(rows), self.negative.select(rows)
        several = torch.arange(len(self.rows), device=rows.device)[rows]
        several = torch.cat([several + i * len(self.rows) for i in range(len(self.branches))])
        some._context = None if self._context is None else self._context.select(several)
        some._critics = None if self._critics is None else self._critics.select(rows)
        kept = (self.own, self._read, self._confidence, self._given)
        some.own, some._read, some._confidence, some._given = (None if x is None else x[rows] for x in kept)
        some._awaited = some._stale = None
        some.reader = None if self.reader is None else self.reader.select(several)
        return some

    def fork(self) -> Denoiser:
        """A copy that goes its own way from here."""
        copied = self.select(torch.ones_like(self.rows, dtype=torch.bool))
        copied.evaluations = self.evaluations.clone()
        return copied

    @property
    def told(self) -> dict[str, Tensor]:
        """What the networks see of the condition, in all branches: the tensors of it, with rows."""
        contexts = {"context": self._context, "critics": self._critics}
        return {
            f"{whose}.{i}": tensor
            for whose, context in contexts.items()
            if context is not None
            for i, tensor in enumerate((*context[:5], *context.memory))
            if tensor is not None
        }

    @property
    def read(self) -> dict[str, Tensor]:
        """What an evaluation reads beside ids and clock: (A, N) each."""
        parts = {"confidence": self._confidence, "given": self._given}
        return {name: tensor for name, tensor in parts.items() if tensor is not None}

    @property
    def kept(self) -> dict[str, Tensor]:
        """What an evaluation left."""
        parts = {"confidence": self._confidence, "own": self.own}
        return {name: tensor for name, tensor in parts.items() if tensor is not None}

    def keep(self, kept: dict[str, Tensor], reader: Reader | None, step: int) -> None:
        """Take what the evaluation of a step left that was made elsewhere, and the reader that made it."""
        self._confidence, self.own, self._read = kept.get("confidence"), kept.get("own"), None
        if reader is not None:
            self.reader, self.position = reader, self._order[step]

    @property
    def replayable(self) -> bool:
        """Whether an evaluation can be recorded: no reader is in use, or there is one that can."""
        return self.position is None if self.reader is None else self.reader.held is not None

    @property
    def steady(self) -> bool:
        """Whether equal ids give equal logits at every step, so that an evaluation can be used again."""
        painted = self._context is not None and self._context.regions is not None
        return self._constant and not self.reads_time and not painted

    def expect(self, ids_AN: Tensor) -> None:
        """Announce the ids of the next evaluation: where they are those of the last one, that is used again.

        Between steps, because it looks at data.
        """
        if not (self.keeps and self.steady) or self._read is None:
            return
        changed = (self._read != ids_AN).any(1)
        self._awaited = ids_AN
        self._stale = None if bool(changed.all()) else (changed.nonzero().squeeze(1), self.select(changed))

    def __call__(self, ids_AN: Tensor, clock: Clock | None = None, level: NoiseLevel | None = None) -> Prediction:
        """The logits (A, N, V) of the clean ids.

        Args:
            ids_AN: (A, N) current ids.
            clock: where sampling stands; None is its beginning, at no time.
            level: (A,) of the noise in the ids, where warps are to leave out what a token says about itself.
        """
        clock = clock or Clock.even(0, torch.nan, 0.0, ids_AN)
        kept, self.own = self.own, None
        if kept is not None and ids_AN is self._awaited and self._stale is not None:
            own = self._renewed(kept, *self._stale, ids_AN, clock)
        else:
            del kept
            own = self._guided(ids_AN, clock)
        evidence = None
        if level is not None and not self.warps.none:
            assert self.process is not None
            evidence = warping.evidence(ids_AN, level, self.process.frequencies)
        if self.keeps:
            self.own, self._read = own, ids_AN
        self._awaited = self._stale = None
        return Prediction(self.warps(own, clock.progress, ids_AN, evidence), own, self.warps.greedy)

    def critique(self, ids_AN: Tensor) -> Tensor:
        """How likely each token is wrong, as float32 logits (A, N); costs one network evaluation.

        Raises:
            ValueError: if there is no critic.
        """
        if self.critic is None:
            raise ValueError("there is no critic to ask")
        self.count(1)
        return self.critic(ids_AN, None, self._critics).squeeze(-1).float()

    def at(self, step: Place, ids_AN: Tensor, clock: Clock) -> tuple[Place, Prediction]:
        """The position that comes at a step in the order of a causal network, and the logits (A, V) there.

        Args:
            step: place in the order; see `Reader`.
            ids_AN: (A, N), of which the ids at the positions before count.
            clock: where sampling stands.
        """
        several = ids_AN.repeat(len(self.branches), 1) if len(self.branches) > 1 else ids_AN
        if self.reader is None:
            self.reader = self._begin(several)
            for earlier in range(int(step)):
                self.reader(several, earlier)
        self.count(len(self.branches))
        own = self._mixed(self.reader(several, step), ids_AN, clock)
        self.position = position = self._order[step]
        self.own = own if self.keeps else None
        return position, Prediction(self.warps(own, clock.progress), own, self.warps.greedy)

    def _begin(self, ids_BN: Tensor) -> Reader:
        network, in_order = self.network, torch.arange(self.layout.num_tokens, device=ids_BN.device)
        self._order = Lookup(network.causal_order if isinstance(network, Ordered) else in_order)
        if isinstance(network, Incremental):
            return network.reader(len(ids_BN), self._context)
        return Recomputing(network, self._context, self._order)

    def _renewed(self, own: Tensor, where: Tensor, some: Denoiser, ids_AN: Tensor, clock: Clock) -> Tensor:
        """The last logits, evaluated anew in the rows that have changed."""
        if len(where) == 0:
            return own
        return own.index_copy_(0, where, some._guided(ids_AN[where], clock.select(where)))

    def _guided(self, ids_AN: Tensor, clock: Clock) -> Tensor:
        """Float32 logits (A, N, V): all branches as one batch, mixed."""
        num = len(self.branches)
        self.count(num)
        ids = torch.cat([self._asked(branch, ids_AN) for branch in self.branches]) if num > 1 else ids_AN
        time = clock.time.float().repeat(num) if self.reads_time else None
        own = self._mixed(self.network(ids, time, self._painting(clock)), ids_AN, clock)
        if self._masks:
            self._given = ids_AN != self.layout.mask if self._given is None else self._given
            self._confidence = own.softmax(-1).amax(-1)
        return own

    def _painting(self, clock: Clock) -> Context | None:
        """What the network sees, with the strength of the regions at this time."""
        context = self._context
        if context is None or context.regions is None:
            return context
        return context._replace(strength=painting_strength(clock.time).repeat(len(self.branches)))

    def _mixed(self, logits: Tensor, ids_AN: Tensor, clock: Clock) -> Tensor:
        if len(self.branches) == 1:
            return self.guidance.combine({self.branches[0]: logits}, ids_AN, clock)
        parts = dict(zip(self.branches, logits.chunk(len(self.branches)), strict=True))
        return self.guidance.combine(parts, ids_AN, clock)

    def _asked(self, branch: Branch, ids_AN: Tensor) -> Tensor:
        """The ids that a branch reads; before the first evaluation nothing is unsure."""
        if self._confidence is None or self._given is None:
            return ids_AN
        return branch.ids(ids_AN, self._confidence.masked_fill(self._given, torch.inf), self.layout.mask)

    def _look(self, known_AN: Tensor | None) -> None:
        """Take in what the networks see of the condition, and of which tokens are known."""
        self._context = self._seen(self.network, self.branches, known_AN)
        self._critics = None if self.critic is None else self._seen(self.critic, (TOWARDS,), known_AN)

    def _seen(self, network: NetworkLike, branches: tuple[Branch, ...], known_AN: Tensor | None) -> Context | None:
        """What a network sees in every branch, one under another."""
        asked = Condition.cat([branch.condition(self.condition, self.negative) for branch in branches])
        if self._reads_known and known_AN is not None:
            # In all branches: guidance does not go away from what is there.
            cells = known_AN.unflatten(1, (-1, self.layout.num_codes)).all(-1)
            asked = asked.replace(**{KNOWN: cells.repeat(len(branches), 1)})
        read = getattr(network, "context", None)
        return None if read is None else read(asked, len(branches) * len(self.rows))

    def count(self, evaluations: int) -> None:
        """Note evaluations of the network, of each row so many."""
        if self.rows.shape == self.evaluations.shape:
            self.evaluations += evaluations
        else:
            self.evaluations[self.rows] += evaluations


def painting_strength(time: Tensor) -> Tensor:
    """(A,) float32 w0 log(1 + sigma) of times (A,), with sigma = c / (1 - c) where a share c is still noise."""
    share = time.nan_to_num(1.0).clamp(0, MOST_NOISE / (1 + MOST_NOISE))
    return (-PAINTING * torch.log1p(-share)).float()


class Recomputing:
    """A reader of a causal network that keeps nothing: every step evaluates all positions."""

    def __init__(self, network: NetworkLike, context: Context | None, order: Lookup) -> None:
        self.network, self.context, self.order = network, context, order

    @property
    def held(self) -> tuple[Tensor, ...]:
        """What the network sees of the condition."""
        return () if self.context is None else self.context.parts

    def __call__(self, ids_BN: Tensor, step: Place) -> Tensor:
        """Logits (B, V) of the position that comes at a step."""
        return pick(self.network(ids_BN, None, self.context), 1, self.order[step])

    def select(self, rows: Tensor) -> Recomputing:
        """A reader of some rows."""
        context = None if self.context is None else self.context.select(rows)
        return Recomputing(self.network, context, self.order)
