"""Is the built site whole: no broken link or picture, no machine's paths, no request to another host, no error?

    .venv-docs/bin/pip install pytest hypothesis selenium       and Debian's chromium and chromium-driver, or their like
    .venv-docs/bin/python -m sphinx -W docs docs/_build
    .venv-docs/bin/python -m pytest tests/docs/test_site.py

Skipped where there is no built site in docs/_build; the part in a browser also where there is no browser.
"""
import functools
import html.parser
import http.server
import json
import pathlib
import re
import shutil
import threading
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SITE = ROOT / "docs" / "_build"
if not (SITE / "index.html").exists():
    pytest.skip("no built site in docs/_build; docs/how_it_is_built.md tells how to build it", allow_module_level=True)
PAGES = [page.relative_to(SITE).as_posix() for page in sorted(SITE.rglob("*.html"))]
FETCHED = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src", "video": "src"}
SCREENS = {"desktop, light": (1280, 900, "light"), "phone, dark": (390, 844, "dark")}


class Reader(html.parser.HTMLParser):
    """Collects what a page fetches, where it links to, and the names that can be linked to."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.links, self.names = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.names.add(attributes.get("id") or attributes.get("name"))
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        elif attributes.get(FETCHED.get(tag)) and attributes.get("rel") not in ("canonical", "index", "search"):
            self.fetched.append(attributes[FETCHED[tag]])


@functools.cache
def read(page):
    return Reader((SITE / page).read_text(encoding="utf-8"))


def test_all_pages_that_are_asked_for_are_there():
    wanted = {"index.html", "rules.html", "stepping.html", "how_it_is_built.html", "agreement.html", "gpu.html",
              "bibliography.html", "changelog.html", "api/index.html", "course.html", "microscope.html",
              "which_method.html", "faq.html", "glossary.html", "command_line.html", "own_network.html", "fits.html",
              "walks/lrp.epsilon.html", "walks/joins.half_each.html", "walks/attention.html",
              *(f"lessons/{lesson.stem}.html" for lesson in (ROOT / "lessons").glob("[0-9]_*.py"))}
    assert wanted <= set(PAGES), f"missing: {sorted(wanted - set(PAGES))}"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_fetches_nothing_from_elsewhere_and_links_to_what_exists(page):
    reader = read(page)
    assert not [url for url in reader.fetched if re.match(r"(https?:)?//", url)]
    broken = []
    for url in reader.fetched + reader.links:
        if re.match(r"[a-z]+:", url):
            continue
        path, _, name = urllib.parse.unquote(url).partition("#")
        target = (SITE / page).parent / path.partition("?")[0] if path else SITE / page
        if not target.is_file():
            broken.append(url)
        elif name and target.suffix == ".html":
            if name not in read(target.resolve().relative_to(SITE.resolve()).as_posix()).names:
                broken.append(url)
    assert not broken, f"{page}: {broken}"


def test_nothing_tells_where_the_site_was_built():
    places = [str(ROOT), str(pathlib.Path.home()) + "/", "site-packages", "file:///"]
    for path in SITE.rglob("*"):
        if path.suffix in {".html", ".js", ".css", ".py", ".ipynb", ".json", ".svg", ".txt"}:
            text = path.read_text(encoding="utf-8")
            assert not [place for place in places if place in text], path.relative_to(SITE)


def test_styles_fetch_nothing_from_elsewhere():
    for path in SITE.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//\S+", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("page", PAGES)
def test_formulas_are_drawn_and_not_spelled(page):
    text = (SITE / page).read_text(encoding="utf-8")
    formulas = re.findall(r"<math.*?</math>", text, re.S)
    assert not [formula for formula in formulas if re.search(r"\\[a-zA-Z]", formula)], "LaTeX left in a formula"
    assert "class=\"math notranslate" not in text, "a formula was not converted"


def test_gamma_is_three_clicks_from_home():
    """Home, the table of rules with the formula; from there one click to its derivation and one to its code."""
    assert "rules.html" in read("index.html").links
    table = (SITE / "rules.html").read_text(encoding="utf-8")
    row = next(row for row in re.findall(r"<tr.*?</tr>", table, re.S) if ">lrp.gamma<" in row)
    words = re.sub(r"<[^>]+>", "", row)
    assert "R_j = sum_k x_j (w_jk + gamma w_jk+)" in words.replace("&#39;", "'"), words
    assert "lessons/2_3_lrp.html" in row and "_modules/minixnn/rules/lrp.html#gamma" in row
    assert "walks/lrp.gamma.html" in row
    assert "boosted" in (SITE / "_modules/minixnn/rules/lrp.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def host():
    """The site, served on this machine."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no Chromium with its driver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-component-update",
                 "disable-background-networking", "disable-sync", "disable-dev-shm-usage",
                 f"user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.mark.parametrize("screen", SCREENS)
def test_a_browser_shows_every_page_without_an_error_or_a_foreign_request(host, browser, screen):
    width, height, scheme = SCREENS[screen]
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                            {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    faults = []
    for page in PAGES:
        browser.get(host + page)
        blank = browser.execute_async_script("""
            const done = arguments[0], images = [...document.images];
            images.forEach(image => image.loading = "eager");
            Promise.all(images.map(image => image.decode().catch(() => {})))
                .then(() => done(images.filter(image => !image.naturalWidth).map(image => image.src)));""")
        wide = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        faults += [f"{page}: blank picture {src}" for src in blank]
        faults += [f"{page}: {wide} pixels wider than the screen"] * (wide > 0)
        faults += [f"{page}: {entry['message']}" for entry in browser.get_log("browser")]
        for entry in browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                if not url.startswith((host, "data:", "blob:", "about:", "chrome:")):
                    faults.append(f"{page}: asks for {url}")
    assert not faults, "\n".join(faults)
