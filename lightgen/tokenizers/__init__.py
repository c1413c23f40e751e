from lightgen.registry import exports
from lightgen.tokenizers.base import Tokenizer

globals().update(exports(__name__, Tokenizer))
