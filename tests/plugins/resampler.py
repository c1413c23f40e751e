from lightgen.networks.resamplers import LinearResampler


class OutsideResampler(LinearResampler):
    """A linear one by another name."""
