"""Precision and recall of the masking of personal data, on planted data and lookalikes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.text.mask import FINDERS, Kind, luhn, mask_personal_data

ALL: list[Kind] = ["email", "card", "phone"]
REGIONS = ["US", "DE"]

# Addresses and numbers that are reserved for examples or tests, or published by their owners.
PERSONAL: list[tuple[Kind, str]] = [
    ("email", "jo@example.org"),
    ("email", "jo.doe+news@mail.example.co.uk"),
    ("email", "no-reply@example.com"),
    ("email", "J_D99@sub-domain.example.de"),
    ("card", "4111111111111111"),
    ("card", "4111 1111 1111 1111"),
    ("card", "5500-0000-0000-0004"),
    ("card", "3782 822463 10005"),
    ("card", "5105105105105100"),
    ("phone", "(212) 736-5000"),
    ("phone", "212-736-5000"),
    ("phone", "212.736.5000"),
    ("phone", "1-800-273-8255"),
    ("phone", "+1 212 736 5000"),
    ("phone", "+44 20 7946 0958"),
    ("phone", "+49 30 901820"),
    ("phone", "030 901820"),
    ("phone", "+4917612345678"),
]
# Years, scores, versions, sizes, dates, amounts, addresses, checksums, as in the real texts.
HARMLESS = [
    "1995",
    "1995-1998, 2001-2003",
    "2023.11.0",
    "9.27.1",
    "10-7 7-5 6-4",
    "1680x1050",
    "WSXGA+ 1680x1050",
    "$1,234,567.89",
    "980 votes -- 51-to-49 percent",
    "10/12/2010 11:30",
    "2024-11-23T12:00:00",
    "192.168.178.100",
    "00:11:22:33:44:55",
    "978-3-16-148410-0",
    "4111111111111112",
    "1234567890123456",
    "1000000",
    "16 777 216 colours",
    "RX0:FRL5 + RX1-3:TMDS",
    "802.15.4",
    "53-bit 0x1F",
    "@anonymous hi",
    "a@b",
    "user@host",
    "20231124120000",
    "Port 8123, pin 0000",
    "1/2 a minute, 3.5 mm, 100 %",
    "{name}@{host}",
]
FRAMES = ["{}", "call {} now", "({}).", "it is `{}`!", "für {}, bitte"]


def test_precision_and_recall_on_planted_data() -> None:
    hits = sum(
        mask_personal_data(frame.format(text), ALL, REGIONS)
        == (frame.format(f"<{kind.upper()}>"), [kind])
        for kind, text in PERSONAL
        for frame in FRAMES
    )
    false_positives = [
        frame.format(text)
        for text in HARMLESS
        for frame in FRAMES
        if mask_personal_data(frame.format(text), ALL, REGIONS)[1]
    ]
    recall = hits / (len(PERSONAL) * len(FRAMES))
    precision = hits / (hits + len(false_positives))
    print(f"recall {recall:.3f}, precision {precision:.3f}; masked wrongly: {false_positives}")
    assert recall >= 0.98
    assert precision >= 0.98


def test_a_text_may_contain_several() -> None:
    text = "jo@example.org, 212-736-5000 and 4111 1111 1111 1111"
    assert mask_personal_data(text, ALL, ["US"]) == (
        "<EMAIL>, <PHONE> and <CARD>",
        ["email", "card", "phone"],
    )


def test_only_the_given_kinds_and_regions_are_masked() -> None:
    assert (
        mask_personal_data("jo@example.org 212-736-5000", ["phone"], ["US"])[0]
        == "jo@example.org <PHONE>"
    )
    assert mask_personal_data("212-736-5000", ALL, [])[1] == []
    assert mask_personal_data("+1 212 736 5000", ALL, [])[1] == ["phone"]


def test_masks_are_not_masked_again() -> None:
    once, _ = mask_personal_data(" or ".join(text for _, text in PERSONAL), ALL, REGIONS)
    assert once.count("<") == len(PERSONAL)
    assert mask_personal_data(once, ALL, REGIONS) == (once, [])


@given(st.text(st.sampled_from("0123456789"), min_size=8, max_size=18), st.data())
def test_one_wrong_digit_fails_the_check(number: str, data: st.DataObject) -> None:
    """The Luhn check detects every single-digit error."""
    check = next(digit for digit in "0123456789" if luhn(number + digit))
    valid = number + check
    i = data.draw(st.integers(0, len(valid) - 1))
    wrong = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != valid[i]]))
    assert not luhn(valid[:i] + wrong + valid[i + 1 :])


@pytest.mark.parametrize("kind", list(FINDERS))
def test_positions_are_disjoint(kind: Kind) -> None:
    text = " or ".join(example for name, example in PERSONAL if name == kind)
    positions = sorted(FINDERS[kind](text, REGIONS))
    ends = [0, *(end for _, end in positions)]
    assert positions
    assert all(start >= end for (start, _), end in zip(positions, ends, strict=False))
