from lightgen.bench.baselines import independent_tokens

__all__ = ["independent_tokens"]
