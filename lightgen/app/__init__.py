"""A web page on priors. What it does is in `shelf`, `options`, `wish` and `run`, which know no browser."""
