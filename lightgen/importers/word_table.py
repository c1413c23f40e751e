"""Tables that have the vectors of codes, of MASK and of classes in one, as BERT's have of words."""

from __future__ import annotations

from lightgen.importers.renaming import Names, Source


def codes_in(rows: int, others: int) -> int:
    """V of a table of which so many rows are of no code.

    Raises:
        ValueError: in one line, if there would be less than two codes.
    """
    if rows - others < 2:
        raise ValueError(f"the table of tokens has {rows} rows, and {others} of them cannot be of MASK and classes: "
                         "give --num_classes")  # fmt: skip
    return rows - others


def split(table: str, vocab_size: int) -> Names:
    """The names of a network's tokens and classes, where the table has V codes, MASK, classes and no class.

    Args:
        table: its key.
        vocab_size: V.
    """
    return {
        "token.weight": Source((table,), lambda rows: rows[: vocab_size + 1]),
        "conditioner.embedding.weight": Source((table,), lambda rows: rows[vocab_size + 1 :]),
    }
