"""Icons drawn into a folder: what they show, whose they are, stopped and gone on."""

import io
import json
import sys
import tarfile
from types import SimpleNamespace

import pytest
from PIL import Image

from lightgen.cli.main import main
from lightgen.data.iconify import FREE, Names, icons, read_sets

APACHE = {"title": "Apache 2.0", "spdx": "Apache-2.0", "url": "https://example.org/LICENSE"}


def body(colour):
    return f'<path fill="{colour}" d="M4 4h8v8H4z"/>'


NOTO = {
    "prefix": "noto", "width": 16, "height": 16,
    "info": {"name": "Noto Emoji", "author": {"name": "Google Inc", "url": "https://example.org"}, "license": APACHE},
    "icons": {
        "waving-hand": {"body": body("gold")},
        "waving-hand-dark-skin-tone": {"body": body("brown")},
        "man-cook": {"body": body("blue")},
        "bus": {"body": body("red"), "width": 32},
        "rocket": {"body": body("red"), "hidden": True},
        "../escaped": {"body": body("red")},
    },
    "aliases": {"hello": {"parent": "waving-hand"}, "bus-turned": {"parent": "bus", "hFlip": True}},
    "chars": {"1f44b": "waving-hand", "1f44b-1f3ff": "waving-hand-dark-skin-tone", "1f468-200d-1f373": "man-cook",
              "1f68c": "bus"},
    "categories": {"People & Body": ["waving-hand", "waving-hand-dark-skin-tone", "man-cook"],
                   "Travel & Places": ["bus"]},
}  # fmt: skip
FXEMOJI = {
    "prefix": "fxemoji", "width": 16, "height": 16,
    "info": {"name": "Firefox OS Emoji", "author": {"name": "Mozilla"}, "license": APACHE},
    "icons": {name: {"body": body(colour)} for name, colour in
              (("wavinghandsign", "gold"), ("handwaving", "gold"), ("manwaving", "pink"))},
    "categories": {"People": ["wavinghandsign"]},
}  # fmt: skip


def package(path, *sets):
    with tarfile.open(path, "w:gz") as archive:
        for one in sets:
            contents = json.dumps(one).encode()
            member = tarfile.TarInfo(f"package/json/{one['prefix']}.json")
            member.size = len(contents)
            archive.addfile(member, io.BytesIO(contents))
    return path


@pytest.fixture
def source(tmp_path):
    logos = {"prefix": "logos", "icons": {"brand": {"body": body("red")}}}
    return package(tmp_path / "iconify.tgz", FXEMOJI, logos, NOTO)


class Pen:
    """Stands for resvg-py: draws a grey square of the size, and may be taken away."""

    def __init__(self):
        self.drawn, self.ink = [], 1000

    def svg_to_bytes(self, svg_string, skip_system_fonts):
        if len(self.drawn) == self.ink:
            raise KeyboardInterrupt
        if "blue" in svg_string:
            raise ValueError("cannot draw")
        self.drawn.append(svg_string)
        side = int(svg_string.split('width="')[1].split('"')[0])
        file = io.BytesIO()
        Image.new("RGBA", (side, side), (128, 128, 128, 255)).save(file, "PNG")
        return file.getvalue()


@pytest.fixture
def pen(monkeypatch):
    found = Pen()
    monkeypatch.setitem(sys.modules, "resvg_py", SimpleNamespace(svg_to_bytes=found.svg_to_bytes))
    return found


def command(source, out, *more):
    return ["data", "icons", "--source", str(source), "--out", str(out), *more]


def rows(folder):
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_icons_show(source):
    found = {(icon.style, icon.name): icon for icon in icons(read_sets(source, FREE))}
    assert [*found] == [("noto", "waving-hand"), ("noto", "waving-hand-dark-skin-tone"), ("noto", "man-cook"),
                        ("noto", "bus"), ("fxemoji", "wavinghandsign"), ("fxemoji", "manwaving")]  # fmt: skip
    hand, dark, other = (found["noto", "waving-hand"], found["noto", "waving-hand-dark-skin-tone"],
                         found["fxemoji", "wavinghandsign"])  # fmt: skip
    assert hand.captions == ("waving hand", "hello") and dark.captions == ("waving hand dark skin tone",)
    # The same hand in another style and another tone: they never stand on two sides of a split.
    assert {one.codepoint for one in (hand, dark, other)} == {"1f44b"}
    assert {one.group for one in (hand, dark, other)} == {"People & Body"}
    # Its name is Unicode's, and the next picture is the same.
    assert other.captions == ("waving hand", "waving hand sign", "hand waving")
    assert found["noto", "bus"].captions == ("bus",) and 'viewBox="0 0 32 16"' in found["noto", "bus"].svg(64)
    unknown = found["fxemoji", "manwaving"]
    assert (unknown.captions, unknown.group, unknown.codepoint) == (("man waving",), None, None)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("waving-hand-2", "waving hand"),
        ("flag-for-flag-bus", "flag bus"),
        ("wavingzebra", "wavingzebra"),
        ("100", "100"),
    ],
)
def test_names_in_plain_words(name, words):
    assert Names({"noto": NOTO}).words(name) == words


def test_a_folder_of_icons(source, tmp_path, pen, capsys):
    out = tmp_path / "out"
    assert main(command(source, out, "--size", "24")) == 0
    said = capsys.readouterr()
    assert "1 icons cannot be drawn and are left out: noto/man-cook.png" in said.err
    assert "5 icons: 3 noto, 2 fxemoji" in said.out
    names = [
        "noto/waving-hand",
        "noto/waving-hand-dark-skin-tone",
        "noto/bus",
        "fxemoji/wavinghandsign",
        "fxemoji/manwaving",
    ]
    assert [row["file_name"] for row in rows(out)] == [f"{name}.png" for name in names]
    assert rows(out)[0] == {"file_name": "noto/waving-hand.png", "text": ["waving hand", "hello"], "style": "noto",
                            "class": "People & Body", "codepoint": "1f44b"}  # fmt: skip
    for row in rows(out):
        with Image.open(out / row["file_name"]) as picture:
            assert picture.size == (24, 24)
    notice = (out / "NOTICE").read_text(encoding="utf-8")
    assert "noto: Noto Emoji, 3 pictures" in notice and "by Google Inc, https://example.org" in notice
    assert "Apache 2.0 (Apache-2.0), https://example.org/LICENSE" in notice and "by Mozilla\n" in notice
    assert not (tmp_path / "escaped.png").exists()


def test_stopped_it_goes_on(source, tmp_path, pen, capsys):
    assert main(command(source, tmp_path / "whole")) == 0
    pen.drawn, pen.ink = [], 2
    out = tmp_path / "out"
    assert main(command(source, out)) == 130
    assert "give the same command again to go on" in capsys.readouterr().err
    assert len(contents(out)) == 3 and not (out / "metadata.jsonl").exists()
    pen.ink = 1000
    assert main(command(source, out)) == 0
    assert len(pen.drawn) == 5 and "2 of them there already" in capsys.readouterr().out
    assert contents(out) == contents(tmp_path / "whole")
    assert main(command(source, out)) == 0
    assert len(pen.drawn) == 5 and contents(out) == contents(tmp_path / "whole")


def test_mistakes_are_one_line(source, tmp_path, pen, monkeypatch, capsys):
    def said(*args):
        assert main(command(*args)) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    assert main(command(source, tmp_path / "out")) == 0
    capsys.readouterr()
    assert main(["data", "icon", "--source", str(source), "--out", "x"]) == 2
    assert "kind must be one of icons, not icon" in capsys.readouterr().err
    assert "holds icons of 64 pixels; name another folder" in said(source, tmp_path / "out", "--size", "32")
    assert "holds something else" in said(source, tmp_path)
    assert "size must be in [1, 4096], not 0" in said(source, tmp_path / "new", "--size", "0")
    assert "`npm pack @iconify/json` gets it" in said(tmp_path / "none.tgz", tmp_path / "new")
    (tmp_path / "cut.tgz").write_bytes(source.read_bytes()[:-40])
    assert "cannot be read as the npm package @iconify/json" in said(tmp_path / "cut.tgz", tmp_path / "new")
    assert "has none of the sets noto" in said(package(tmp_path / "empty.tgz"), tmp_path / "new")
    other = {**NOTO, "info": {"license": {"spdx": "GPL-3.0"}}}
    assert "is under GPL-3.0, and was under Apache-2.0" in said(
        package(tmp_path / "other.tgz", other), tmp_path / "new"
    )
    assert not (tmp_path / "new").exists()
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    assert 'pip install "lightgen[icons]"' in said(source, tmp_path / "new")


def test_share_alike_is_asked_for(tmp_path, pen):
    openmoji = {**NOTO, "prefix": "openmoji", "info": {"license": {"spdx": "CC-BY-SA-4.0"}}}
    source = package(tmp_path / "iconify.tgz", FXEMOJI, openmoji)
    assert main(command(source, tmp_path / "free")) == 0
    assert {row["style"] for row in rows(tmp_path / "free")} == {"fxemoji"}
    assert main(command(source, tmp_path / "all", "--share_alike")) == 0
    assert {row["style"] for row in rows(tmp_path / "all")} == {"fxemoji", "openmoji"}


def test_resvg_draws_in_proportion(source):
    resvg = pytest.importorskip("resvg_py")
    (bus,) = (icon for icon in icons(read_sets(source, FREE)) if icon.name == "bus")
    with Image.open(io.BytesIO(resvg.svg_to_bytes(svg_string=bus.svg(64), skip_system_fonts=True))) as picture:
        assert picture.size == (64, 64) and picture.mode == "RGBA"
        # 32x16 in a square of 64: its square of 8 is one of 16, and what is above and below it is empty.
        assert picture.getchannel("A").getbbox() == (8, 24, 24, 40)
