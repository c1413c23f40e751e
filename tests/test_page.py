"""The page in a real Chromium, and by gradio's client: what people do, two at once, wrong files, a refresh."""

import os
import shutil
import threading
from pathlib import Path

import pytest
import torch
from PIL import Image

import lightgen
from lightgen.again import read
from lightgen.app.shelf import Shelf
from lightgen.cli.app import free
from lightgen.cli.main import main
from lightgen.figures import read_png, save_png

gradio = pytest.importorskip("gradio", reason="the page needs lightgen[app]")
from gradio_client import Client, handle_file  # noqa: E402
from gradio_client.exceptions import AppError  # noqa: E402

from lightgen.app import live  # noqa: E402
from lightgen.app.page import opened, page  # noqa: E402

PRIOR = "zoo:icons64-absorbing"
SLOW = 60_000
"""Milliseconds that a page may take on a machine that does other things too."""
SHOTS = os.environ.get("LIGHTGEN_SCREENSHOTS")
"""A folder for screenshots: those in docs/images."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of a page."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("GRADIO_TEMP_DIR", str(folder / "cache"))
        made = page(Shelf(), folder / "pictures")
        yield opened(made, "127.0.0.1", free("127.0.0.1", 17870))
        made.close(verbose=False)


@pytest.fixture(scope="module")
def asked(tmp_path_factory, text_prior_checkpoint, prior_checkpoint, scorer_checkpoint):
    """The address of a page whose first prior knows text, and the next one not, and which has a judge."""
    shelf = Shelf([str(text_prior_checkpoint), str(prior_checkpoint)], judge=str(scorer_checkpoint))
    made = page(shelf, tmp_path_factory.mktemp("asked"))
    yield opened(made, "127.0.0.1", free("127.0.0.1", 17870))
    made.close(verbose=False)


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    with sync_api.sync_playwright() as playwright:
        if found is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("no browser: apt-get install chromium, or playwright install chromium")
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def opening(browser, served):
    """Opens the page anew, for another user each time."""
    contexts = []

    def open_page(address=served):
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 960}))
        shown = contexts[-1].new_page()
        shown.set_default_timeout(SLOW)
        shown.goto(address)
        shown.wait_for_selector("#asked-label")
        shown.wait_for_timeout(1000)
        return shown

    yield open_page
    for context in contexts:
        context.close()


def fill(shown, **values):
    for name, value in values.items():
        field = shown.locator(f"#{name} input[type=number]").first
        field.fill(str(value))
        field.press("Tab")


def write(shown, name, text):
    """All at once, as from the clipboard."""
    shown.locator(f"#{name} textarea, #{name} input").first.fill(text)


def choose(shown, name, value):
    shown.locator(f"#{name} input").first.click()
    shown.get_by_role("option", name=value, exact=True).click()


def says(shown, tab, text):
    shown.wait_for_function("([id, text]) => document.querySelector(id)?.innerText.includes(text)",
                            arg=[f"#{tab}-status", text])  # fmt: skip


def shot(shown, name):
    if SHOTS:
        shown.wait_for_timeout(700)
        shown.screenshot(path=f"{SHOTS}/{name}.png")


def download(shown, selector, tmp_path, number=0):
    with shown.expect_download() as waiting:
        shown.locator(f"{selector} a[download]").nth(number).click()
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_generate_look_back_and_bring_the_settings_back(opening, tmp_path):
    shown = opening()
    elsewhere = []
    shown.on("request", lambda request: elsewhere.append(request.url))
    # A sampler brings its own number of steps, the prior's own that of the prior.
    for sampler, steps in (("Halton", 32), ("MaskGIT", 16)):
        choose(shown, "sampler", sampler)
        shown.wait_for_function(f"document.querySelector('#steps input[type=number]').value == '{steps}'")
    choose(shown, "asked-label", "Flags")
    fill(shown, steps=4, seed=3, num=2)
    shown.get_by_text("Options of the sampler").click()
    shown.wait_for_selector("#option-choice_temperature")
    fill(shown, **{"option-choice_temperature": 2})
    shown.click("#generate-start")
    says(shown, "generate", "step 4 of 4, 8 network evaluations")
    shown.wait_for_selector("#generate-files a[download]")
    path = download(shown, "#generate-files", tmp_path, 1)
    sampler = lightgen.samplers.MaskGIT(4, choice_temperature=2)
    expected = lightgen.load(PRIOR).sample(2, sampler=sampler, seed=3, label="Flags")
    assert torch.equal(read_png(path), expected[1]) and path.name == "MaskGIT-seed-3-1.png"
    shown.locator("#generate-heat input").check()
    slider = shown.locator("#generate-step input[type=range]")
    slider.focus()
    slider.press("ArrowLeft")
    says(shown, "generate", "step 3 of 4, 6 network evaluations")
    shot(shown, "app-generate")
    # The PNG on a page of another user: its settings are back.
    other = opening()
    other.get_by_role("tab", name="Gallery").click()
    other.locator("#dropped input[type=file]").set_input_files(path)
    other.wait_for_function("document.querySelector('#steps input[type=number]').value == '4'")
    assert "picture 1 of seed 3" in other.locator("#about").inner_text()
    other.get_by_role("tab", name="Generate").click()
    other.click("#generate-start")
    says(other, "generate", "done")
    other.wait_for_selector("#generate-files a[download]")
    assert torch.equal(read_png(download(other, "#generate-files", tmp_path / "b", 1)), expected[1])
    assert [url for url in elsewhere if "127.0.0.1" not in url and not url.startswith(("data:", "blob:"))] == []


def test_a_prompt_makes_pictures_and_comes_back(opening, asked, text_prior_checkpoint, prior_checkpoint, tmp_path):
    shown = opening(asked)
    write(shown, "asked-negative_text", "blue")
    write(shown, "asked-text", "a red heart")
    choose(shown, "asked-style", "noto")
    fill(shown, **{"best-of": 3, "num": 2, "guidance": 1})
    shown.click("#generate-start")
    shown.get_by_text("negative_text is what guidance goes away from, and there is none").wait_for()
    fill(shown, guidance=2)
    shown.click("#generate-start")
    says(shown, "generate", "step 3 of 3, 18 network evaluations")
    says(shown, "generate", "the best of 3 draws each, done")
    shown.wait_for_selector("#generate-files a[download]")
    shot(shown, "app-text")
    path = download(shown, "#generate-files", tmp_path, 1)
    how = {"text": "a red heart", "negative_text": "blue", "style": "noto", "best_of": 3}
    expected = lightgen.load(text_prior_checkpoint)(2, judge=read(path)["judge"], **how)
    assert read(path) == expected.settings[1] and torch.equal(read_png(path), expected.tensor[1])
    other = opening(asked)
    assert other.locator("#best-of").is_visible()
    other.get_by_role("tab", name="Gallery").click()
    other.locator("#dropped input[type=file]").set_input_files(path)
    other.wait_for_function("document.querySelector('#asked-text textarea, #asked-text input')?.value == 'a red heart'")
    assert other.locator("#asked-style input").input_value() == "noto"
    assert "--negative_text blue" in other.locator("#command").inner_text()
    other.get_by_role("tab", name="Generate").click()
    other.click("#generate-start")
    says(other, "generate", "done")
    other.wait_for_selector("#generate-files a[download]")
    assert torch.equal(read_png(download(other, "#generate-files", tmp_path / "b", 1)), expected.tensor[1])
    # A prior without text has no field for one, and a page without a judge no draws.
    choose(other, "prior", str(prior_checkpoint))
    other.wait_for_selector("#asked-text", state="detached")
    fill(other, steps=2, num=1)
    other.click("#generate-start")
    says(other, "generate", "step 2 of 2")
    assert opening().locator("#best-of").count() == 0


def test_paint_over_a_stroke(opening, tmp_path):
    image = lightgen.load("zoo:icons64-sundae").sample(1, seed=6, label="Food & Drink")[0]
    save_png(image, tmp_path / "cat.png")
    shown = opening()
    fill(shown, steps=4, seed=1, num=1)
    shown.get_by_role("tab", name="Inpaint").click()
    shown.click("#paint-start")
    shown.get_by_text("give a picture, and draw over").wait_for()
    canvas = shown.locator("#paint-editor canvas").first
    canvas.wait_for()
    with shown.expect_file_chooser() as chooser:
        shown.locator("#paint-editor button[aria-label=Upload]").click()
    chooser.value.set_files(tmp_path / "cat.png")
    shown.locator("#paint-editor button[aria-label='Brush Size']").wait_for()
    box = canvas.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    shown.mouse.move(*middle)
    shown.mouse.down()
    shown.mouse.move(middle[0] + 30, middle[1] + 20, steps=6)
    shown.mouse.up()
    shown.locator("#paint-editor button[aria-label=Undo]:not([disabled])").wait_for()
    shown.click("#paint-start")
    says(shown, "paint", "done")
    shot(shown, "app-paint")
    made = read_png(download(shown, "#paint-files", tmp_path))
    changed = (made != image).any(0)
    # Painted somewhere in the middle, and nowhere at the edges.
    assert changed[16:48, 16:48].any() and not changed[:4].any() and not changed[:, :4].any() and changed.sum() < 3000


def test_compare_and_the_gallery(opening, tmp_path):
    shown = opening()
    fill(shown, num=1)
    shown.get_by_role("tab", name="Compare").click()
    shown.fill("#compare-x textarea, #compare-x input", "steps=1,2")
    shown.fill("#compare-y textarea, #compare-y input", "sampler=MaskGIT,Halton")
    shown.click("#compare-start")
    shown.wait_for_selector("#compare-files a[download]")
    shot(shown, "app-compare")
    text = download(shown, "#compare-files", tmp_path, 1).read_text()
    assert "sampler Halton" in text and text.count("<img ") == 4
    shown.fill("#compare-x textarea, #compare-x input", "steps=0")
    shown.click("#compare-start")
    shown.get_by_text("steps must be at least 1, not 0").wait_for()


def test_a_wrong_file_is_one_line(opening, tmp_path):
    shown = opening()
    shown.get_by_role("tab", name="Gallery").click()
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    shown.locator("#dropped input[type=file]").set_input_files(tmp_path / "plain.png")
    shown.get_by_text("plain.png carries no settings").wait_for()
    settings = lightgen.load(PRIOR)(1, steps=1).settings[0]
    for path, message in ((None, "a prior that was never saved, which no page can offer"),
                          ("runs/mine.ckpt", "`lightgen app --ckpt_path runs/mine.ckpt` offers it")):  # fmt: skip
        shown.locator("#dropped button[aria-label=Clear]").first.dispatch_event("click")
        save_png(torch.zeros(3, 64, 64, dtype=torch.uint8), tmp_path / "other.png", {**settings, "ckpt_path": path})
        shown.locator("#dropped input[type=file]").first.set_input_files(tmp_path / "other.png")
        shown.get_by_text(message).wait_for()


def test_stop_go_on_two_at_once_and_a_refresh_in_the_middle(opening, monkeypatch):
    """Steps wait for the test, so that it sees them on a machine of any speed."""
    gate, frame = threading.Event(), live.Run._frame

    def waiting(self):
        if len(getattr(self, "frames", ())) > 1:
            gate.wait(SLOW / 1000)
        return frame(self)

    monkeypatch.setattr(live.Run, "_frame", waiting)
    monkeypatch.setattr(live, "EVERY", 0)
    first, second = opening(), opening()
    for shown, steps in ((first, 3), (second, 5)):
        fill(shown, steps=steps, num=1)
        shown.click("#generate-start")
        says(shown, "generate", f"step 1 of {steps}")
    first.click("#generate-stop")
    first.wait_for_timeout(300)
    second.reload()
    second.wait_for_selector("#asked-label")
    gate.set()
    says(first, "generate", "step 2 of 3, ")
    says(first, "generate", "stopped")
    first.click("#generate-on")
    says(first, "generate", "step 3 of 3")
    fill(second, steps=2, num=1)
    second.click("#generate-start")
    says(second, "generate", "step 2 of 2")


def test_the_client_of_gradio(served, tmp_path):
    client = Client(served, verbose=False, download_files=str(tmp_path))
    form = {"prior": PRIOR, "sampler": "MaskGIT", "steps": 2, "temperature": 0.5, "guidance": 1.0, "seed": 4,
            "num_images": 2, "told": {"label": "Flags"}, "options": {}}  # fmt: skip
    picture, status, _, files = client.predict(*form.values(), False, api_name="/generate")
    assert status.startswith("step 2 of 2, 2 network evaluations") and Path(picture).suffix == ".png"
    expected = lightgen.load(PRIOR).sample(
        2, sampler="MaskGIT", steps=2, temperature=0.5, guidance=1, seed=4, label="Flags"
    )
    paths = files["value"] if isinstance(files, dict) else files
    assert torch.equal(torch.stack([read_png(Path(path)) for path in paths]), expected)
    other = {**form, "prior": "zoo:icons64-sundae", "sampler": "SUNDAE"}
    assert client.predict(*other.values(), False, api_name="/generate")[1].startswith("step 2 of 2")
    about, how, settings = client.predict(handle_file(paths[0]), api_name="/settings")
    assert "picture 0 of seed 4" in about and settings == read(Path(paths[0])) and how.startswith("lightgen sample")
    for change, message in (
        ({"prior": "/etc/passwd"}, "/etc/passwd is not in the list"), ({"steps": 10**6}, "1000"),
        ({"sampler": "SUNDAE"}, "does not fit a prior"), ({"num_images": 10**6}, "16"),
        ({"options": {"no": 1}}, "takes"), ({"told": {"label": "Nothing at all"}}, "no class is called"),
    ):  # fmt: skip
        with pytest.raises(AppError, match=message):
            client.predict(*{**form, **change}.values(), False, api_name="/generate")


def test_the_client_asks_in_words(asked, text_prior_checkpoint, tmp_path):
    client = Client(asked, verbose=False, download_files=str(tmp_path))
    told = {"text": "a red heart", "negative_text": "blue", "style": "noto"}
    form = {"prior": str(text_prior_checkpoint), "sampler": "MaskGIT", "steps": 2, "temperature": 1.0, "guidance": 2.0,
            "seed": 4, "num_images": 1, "told": told, "options": {}}  # fmt: skip
    _, status, _, files = client.predict(*form.values(), False, 2, api_name="/generate")
    assert "the best of 2 draws each, done" in status
    made = read(Path((files["value"] if isinstance(files, dict) else files)[0]))
    assert {name: made[name] for name in (*told, "best_of")} == {**told, "best_of": 2}
    wrong = {**form, "told": {"style": "nato"}}
    for values, num, message in ((wrong, 1, "did you mean 'noto'"), (form, 65, "8")):
        with pytest.raises(AppError, match=message):
            client.predict(*values.values(), False, num, api_name="/generate")


def test_files_of_the_machine_are_closed(served, tmp_path):
    import httpx

    lightgen.load(PRIOR)(1, steps=1).images[0].save(tmp_path / "secret.png")
    for path in ("/etc/passwd", str(Path(__file__)), str(tmp_path / "secret.png")):
        assert httpx.get(f"{served}gradio_api/file={path}").status_code in (403, 404)
    # Not even where a program says that it had sent the file before, as gradio's own client would.
    secret = {"path": str(tmp_path / "secret.png"), "meta": {"_type": "gradio.FileData"}}
    asked = httpx.post(f"{served}gradio_api/call/settings", json={"data": [secret]}).json()["event_id"]
    answer = httpx.get(f"{served}gradio_api/call/settings/{asked}", timeout=SLOW / 1000).text
    assert "event: error" in answer and "seed" not in answer


def test_the_command_listens_to_this_machine_alone(monkeypatch, capsys):
    asked = []

    def launch(self, **how):
        asked.append(how)
        return None, f"http://{how['server_name']}:{how['server_port']}/", "https://x.live" if how["share"] else None

    monkeypatch.setattr(gradio.Blocks, "launch", launch)
    monkeypatch.setattr(gradio.Blocks, "block_thread", lambda self: None)
    assert main(["app", "--port", "17860"]) == 0
    out = capsys.readouterr().out
    assert out == "the page is at http://127.0.0.1:17860/ (Ctrl-C ends it)\n"
    how = asked[0]
    assert (how["share"], how["allowed_paths"], how["max_file_size"]) == (False, [], "20mb")
    assert main(["app", "--host", "0.0.0.0", "--share"]) == 0
    out = capsys.readouterr().out
    assert "--host 0.0.0.0: everybody who reaches this machine over the network" in out
    assert "--share: everybody in the world who knows the address" in out and "at https://x.live" in out
    for args, message in ((["--port", "0"], "port must be in [1, 65535]"), (["--host", "1.2.3.4"], "has no address"),
                          (["--ckpt_path", "nowhere.ckpt"], "no checkpoint at nowhere.ckpt")):  # fmt: skip
        assert main(["app", *args]) == 2
        said = capsys.readouterr().err
        assert message in said and len(said.splitlines()) == 1
    monkeypatch.setattr("lightgen.cli.app.find_spec", lambda name: None)
    assert main(["app"]) == 2
    assert "the page needs gradio: pip install 'lightgen[app]'" in capsys.readouterr().err


def test_a_larger_canvas_is_painted_without_a_stroke():
    from lightgen.app.paint import region

    prior = lightgen.load(PRIOR)
    drawn = {"background": Image.new("RGBA", (64, 64), "red"), "layers": [Image.new("RGBA", (64, 64))]}
    known = region(prior, drawn, 1, (1, 2))
    assert known.canvas == (1, 2) and known.image.shape == (3, 64, 128) and known.pixels.float().mean() == 0.5
    for canvas, given, message in (((1, 1), drawn, "draw over what is to be painted, or"), ((3, 3), drawn, "has room"),
                                   ((1, 2), None, "give a picture")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            region(prior, given, 1, canvas)
