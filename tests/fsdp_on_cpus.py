"""`lightgen` with Lightning's FSDP on CPUs, as `--trainer.strategy fsdp_full` and `fsdp_sharded`: a script for tests.

Lightning refuses FSDP without a GPU, and torch takes a CPU where it is named.
"""

import sys

import torch
from lightning.pytorch.strategies import FSDPStrategy, StrategyRegistry
from torch.distributed.fsdp import FullyShardedDataParallel

from lightgen.cli.main import main


class OnCPUs(FSDPStrategy):
    """All of Lightning's but how the weights are spread."""

    def _setup_model(self, model):
        device = torch.device("cpu")
        return FullyShardedDataParallel(
            model, device_id=device, mixed_precision=self.mixed_precision_config, **self.kwargs
        )


for form in ("full", "sharded"):
    StrategyRegistry.register(f"fsdp_{form}", OnCPUs, state_dict_type=form)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
