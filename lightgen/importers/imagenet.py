"""The names of the classes of ImageNet-1k."""

from __future__ import annotations

from collections import Counter


def class_names() -> tuple[str, ...]:
    """The 1,000 names in the order that all published priors number them: the first word that WordNet has for each.

    Two pairs of classes have the same, cranes and maillots; behind theirs stands the class's number in WordNet.
    Russakovsky et al., 2014, "ImageNet large scale visual recognition challenge", arXiv 1409.0575.

    >>> lightgen.importers.imagenet.class_names()[1]
    'goldfish'
    """
    from timm.data import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    numbers = [info.index_to_label_name(number) for number in range(info.num_classes())]
    names = [info.label_name_to_description(number).partition(",")[0] for number in numbers]
    times = Counter(names)
    return tuple(name if times[name] == 1 else f"{name} {number}" for name, number in zip(names, numbers, strict=True))
