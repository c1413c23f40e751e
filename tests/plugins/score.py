from lightgen.metrics.scores import Score


class GapScore(Score):
    """How far the mean of the generated features is from that of the real ones."""

    source = "Outside, 2026"
    name = "gap"
    higher_is_better = False

    def __call__(self, sets):
        return (sets.real.mean(0) - sets.fake.mean(0)).norm()
