"""docs/architectures.md is what the kept measurements make it, and they hold what it promises."""
from tests.peers import families_page
from tests.peers.zoo import SAMPLE


def test_the_page_is_made_of_what_is_kept():
    assert families_page.PAGE.read_text(encoding="utf-8") == families_page.text()


def test_no_network_is_wrong_and_whatever_is_refused_says_why():
    for (collection, _, name), found in families_page.records().items():
        assert found["result"] in ("right", *families_page.NOT_READ), f"{collection} {name}: {found}"
        assert found["result"] == "right" or len(found["said"]) > 10, f"{collection} {name} is refused without a word"
        assert found.get("lrp", "right") in ("right", "refused"), f"{collection} {name}: {found}"


def test_the_dozen_of_every_day_is_among_those_that_are_right():
    kept = families_page.records()
    for collection, name in SAMPLE:
        assert kept[collection, "torch", name]["result"] == "right"
