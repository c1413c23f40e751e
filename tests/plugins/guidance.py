from lightgen.guidance.base import ALL, TOWARDS, Branch, Guidance


class HalfWay(Guidance):
    """The mean of what the network says with a condition and without."""

    source = "Outside, 2026"
    branches = (TOWARDS, Branch(hidden=ALL))
    constant = True

    def combine(self, logits, ids_AN, clock):
        return sum(logits[branch].float() for branch in self.branches) / 2
