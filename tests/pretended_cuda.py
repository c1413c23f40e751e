"""A CUDA device that is not there: its tensors lie in the memory of the CPU, and say that they are on a card.

Everything is worked out as on the CPU. Beside that, tensors on two devices in one operation are an error, and what
moves data between the devices, or makes the host wait for the card, is counted. So a machine without a card can tell
whether a step could be captured as a CUDA graph. There are no gradients: torch works them out on threads of the device.
"""

from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

aten = torch.ops.aten
MOVES = (aten._to_copy, aten.copy_)
WAITS = (aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.equal, aten.bincount, aten._unique2,
         aten.unique_dim, aten.unique_consecutive)  # fmt: skip
"""What has a value or a shape that depends on data."""
BY_INDEX = (aten.index, aten.index_put, aten.index_put_)


class CardTensor(torch.Tensor):
    """A tensor on the card that is not there."""

    @staticmethod
    def __new__(cls, memory):
        made = torch.Tensor._make_wrapper_subclass(
            cls, memory.size(), strides=memory.stride(), storage_offset=memory.storage_offset(), dtype=memory.dtype,
            device="cuda:0",
        )  # fmt: skip
        made.memory = memory
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError(f"{func} of a tensor on the card, outside of `pretended_cuda`")

    @property
    def data(self):
        return self.detach()

    @data.setter
    def data(self, other):
        torch.Tensor.data.__set__(self, other)
        self.memory = other.memory

    def tolist(self):
        return self.cpu().tolist()


class Card(TorchDispatchMode):
    """While it is entered, `device="cuda"` is there."""

    def __init__(self):
        super().__init__()
        self.moved = []
        """Operations between the devices, and those that wait."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs, kind = dict(kwargs or {}), func.overloadpacket
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        ours = [tensor for tensor in tensors if isinstance(tensor, CardTensor)]
        others = [tensor for tensor in tensors if tensor.ndim and not isinstance(tensor, CardTensor)]
        asked = kwargs.get("device")
        to_card = bool(ours) if asked is None else torch.device(asked).type == "cuda"
        if kind in MOVES:
            crosses = to_card != bool(ours) or (ours and others)
        elif ours and others:
            raise RuntimeError(f"{func}: tensors on two devices")
        else:
            masks = kind in BY_INDEX and any(i is not None and i.dtype == torch.bool for i in args[1])
            crosses = ours and (kind in WAITS or masks)
        if crosses:
            self.moved.append(str(func))
        if asked is not None and to_card:
            kwargs["device"] = torch.device("cpu")
        wrapped = {id(tensor.memory): tensor for tensor in ours}
        found = func(*tree_map_only(CardTensor, _memory, args), **tree_map_only(CardTensor, _memory, kwargs))
        if kind is aten.copy_:
            return args[0]
        if not to_card:
            return found
        return tree_map_only(torch.Tensor, lambda t: wrapped[id(t)] if id(t) in wrapped else CardTensor(t), found)


def _memory(tensor):
    return tensor.memory


@contextmanager
def pretended_cuda(monkeypatch):
    """The card, which is gone again at the end."""
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "_lazy_init", lambda: None)
        patch.setattr(torch.cuda, "synchronize", lambda device=None: None)
        patch.setattr(torch, "inference_mode", torch.no_grad)
        torch._C._ensureCUDADeviceGuardSet()
        # So that a number becomes a tensor on the CPU first, which is moved.
        lifts = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)
        replaces = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        try:
            with torch.no_grad(), Card() as card:
                yield card
        finally:
            torch._C._set_only_lift_cpu_tensors(lifts)
            torch.__future__.set_overwrite_module_params_on_conversion(replaces)
