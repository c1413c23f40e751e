from lightgen.tokenizers.base import Tokenizer
from lightgen.registry import exports

globals().update(exports(__name__, Tokenizer))
