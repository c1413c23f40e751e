from lightgen.samplers import SUNDAE


class Patience(SUNDAE):
    """Picture i takes 1 + (i mod count) evaluations."""

    source = "Outside, 2026"
    adaptive = True

    def __init__(self, most: int = 4, count: int = 1) -> None:
        super().__init__(most, min_steps=most)
        self.count = count

    def step(self, state, denoise, clock):
        ids, _ = super().step(state, denoise, clock)
        return ids, clock.step >= state.noise.index % self.count
