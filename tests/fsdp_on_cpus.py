"""`lightgen` in two processes on CPUs, by DDP, or by FSDP as `--trainer.strategy fsdp_full` and `fsdp_sharded`.

Lightning refuses FSDP without a GPU, and torch takes a CPU where it is named.
"""

import multiprocessing
import os
import socket
import sys

import torch
from lightning.pytorch.strategies import FSDPStrategy, StrategyRegistry
from torch.distributed.fsdp import FullyShardedDataParallel

# At hand for both processes, which are forked from one that has it.
from lightgen.cli import fit  # noqa: F401
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


def two(*args):
    """Run a command in two processes; their exit codes."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    ranks = [context.Process(target=rank, args=(number, port, args)) for number in range(2)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(300)
        process.kill()
        process.join()
    return [process.exitcode for process in ranks]


def rank(number, port, args):
    """What one of them does."""
    os.environ.update(LOCAL_RANK=str(number), MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    torch.set_num_threads(1)
    sys.exit(main([*args, "--trainer.devices", "2", "--trainer.accelerator", "cpu"]))
