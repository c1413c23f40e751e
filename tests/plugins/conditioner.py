from torch import nn

from lightgen.condition import Context
from lightgen.conditioners.base import Conditioner


class OneHot(Conditioner):
    """`label` as a number, through one linear layer; 0 where it is hidden."""

    source = "Outside, 2026"
    names = ("label",)

    def attach(self, dim):
        self.layer = nn.Linear(1, dim)

    def forward(self, condition, num_rows):
        label = condition.tensors["label"].float() + 1 if condition else self.layer.weight.new_zeros(num_rows)
        hidden = condition.hidden.get("label")
        label = label if hidden is None else label.masked_fill(hidden, 0)
        return Context(vector=self.layer(label[:, None, None]))
