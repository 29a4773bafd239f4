import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tandem.text.repair import REPAIRS, repair_text


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("entities", "R&amp;B, 5 &lt; 6, caf&eacute;, &#39;", "R&B, 5 < 6, café, '"),
        ("entities", "twice &amp;lt;b&amp;gt;", "twice <b>"),
        ("entities", "?a=1&copy=2, AT&T", "?a=1&copy=2, AT&T"),
        ("markup", "<p>one</p><p>two</p>", " one  two "),
        ("markup", 'a <a href="x">link</a>, <b>bold</b>.', "a link, bold."),
        ("markup", "one<br/>two<!-- not this -->three", "one two three"),
        ("markup", "<3 <host> <EMAIL> 1 < 2 > 0", "<3 <host> <EMAIL> 1 < 2 > 0"),
        ("characters", "schÃ¶n â€“ l’été", "schön – l’été"),
        ("characters", "e\u0301\u200b\ufeff\u00ad\x07", "é"),
        ("characters", "„so“ ’n ＡＢ", "„so“ ’n ＡＢ"),
        ("characters", "👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
        ("spaces", "\t a \n\u00a0b  ", "a b"),
    ],
)
def test_each_repair(name: str, before: str, after: str) -> None:
    assert REPAIRS[name](before) == after


@given(st.text(st.sampled_from("ab<>/&;#lt gmp\u200b\u0301é\xa0Ã¶123")))
@example("&amp;amp;lt;p&amp;gt;")
@example("<<b>b>")
def test_all_repairs_give_nfc_single_spaces_and_no_invisible_characters(text: str) -> None:
    repaired = repair_text(text)
    assert repaired == unicodedata.normalize("NFC", repaired)
    assert repaired == " ".join(repaired.split())
    assert "\u200b" not in repaired


def test_only_named_repairs_are_applied() -> None:
    assert repair_text("<b>x</b>  &amp;", ["spaces"]) == "<b>x</b> &amp;"
    assert repair_text("<b>x</b>  &amp;", ["spaces", "entities"]) == "<b>x</b> &"
