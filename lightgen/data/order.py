"""The order of training batches as a pure function of (seed, epoch), which can start anywhere in an epoch."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from torch.utils.data import Sampler

from lightgen.functional.random import Noise, Stream
from lightgen.functional.splits import permutation


class TrainOrder(Sampler[list[tuple[int, bool]]]):
    """Batches of one rank. Every rank gets equally many; what does not fill a batch on all ranks is left out.

    Args:
        length: of the data set.
        batch_size: per rank.
        seed: of the order.
        rank, world_size: which part of each global batch is ours.
        mirror: mirror half of the pictures, others in each epoch.
        epoch, first_batch: where to begin, after a resumed checkpoint; later epochs begin at their start.

    Raises:
        ValueError: if there are too few pictures for one batch.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        mirror: bool = False,
        epoch: int = 0,
        first_batch: int = 0,
    ) -> None:
        if length < batch_size * world_size:
            ranks = f" on {world_size} ranks" if world_size > 1 else ""
            raise ValueError(
                f"{length} training pictures are too few for a batch of {batch_size}{ranks}; see --data.batch_size"
            )
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self.rank, self.world_size, self.mirror = rank, world_size, mirror
        self.epoch, self.first_batch = epoch, first_batch

    @property
    def sampler(self) -> TrainOrder:
        """Where Lightning looks for `set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        if epoch != self.epoch:
            self.epoch, self.first_batch = epoch, 0

    @property
    def global_batch(self) -> int:
        """Pictures of a batch of all ranks together."""
        return self.batch_size * self.world_size

    def __len__(self) -> int:
        return self.length // self.global_batch

    def __iter__(self) -> Iterator[list[tuple[int, bool]]]:
        """Batches of (number of the picture, whether it is mirrored)."""
        for numbers, mirrored in self.batches():
            yield list(zip(numbers.tolist(), mirrored.tolist(), strict=True))

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The same in tensors: (B,) int64 and (B,) bool."""
        numbers = permutation(self.length, self.seed, self.epoch)
        turned = Noise(self.seed, numbers).uniform(self.epoch, Stream.MIRROR, 1).squeeze(1) < 0.5
        for batch in range(self.first_batch, len(self)):
            start = (batch * self.world_size + self.rank) * self.batch_size
            ours = slice(start, start + self.batch_size)
            yield numbers[ours], turned[ours] & self.mirror
