"""What people may type for quantities, and what they read when they mistype."""

import re

import click
import pytest

from fairlead.cli.quantities import (
    Number,
    or_nothing,
    parse_amounts,
    parse_bytes,
    parse_duration,
    parse_gpu_millis,
    parse_gpu_source,
    parse_millis,
    parse_pairs,
    parse_reserve,
    parse_resources,
    parse_text,
)
from fairlead.common.resources import Resources


@pytest.mark.parametrize(
    ("text", "millis"),
    [("2", 2000), ("0.5", 500), (".25", 250), ("500m", 500), (" 1 ", 1000), ("0.001", 1)],
)
def test_cpus_are_exact_thousandths(text: str, millis: int) -> None:
    assert parse_millis(text) == millis


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("two", "not a number of cpus"),
        ("", "not a number of cpus"),
        ("0", "not between"),
        ("-1", "not between"),
        ("0.0001", "finer than a thousandth"),
        ("nan", "not a number of cpus"),
        ("Infinity", "not a number of cpus"),
        ("1e30", "not between"),
    ],
)
def test_cpus_that_make_no_sense(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_millis(text)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("512MiB", 512 * 2**20),
        ("8GB", 8 * 10**9),
        ("8gb", 8 * 10**9),
        ("1.5GiB", 3 * 2**29),
        ("64M", 64 * 2**20),
        ("100B", 100),
        ("1 TiB", 2**40),
    ],
)
def test_bytes_are_decimal_or_binary_as_written(text: str, amount: int) -> None:
    assert parse_bytes(text) == amount


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("512", "of what. Write 512MiB"),
        ("lots", "write 512MiB or 8GB"),
        ("8XB", "write 512MiB or 8GB"),
        ("-1GB", "write 512MiB or 8GB"),
        ("0GB", "not between"),
        ("9999PB", "not between"),
        ("1iB", "write 512MiB or 8GB"),
    ],
)
def test_bytes_that_make_no_sense(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_bytes(text)


def test_lengths_of_time() -> None:
    assert [parse_duration(text) for text in ("7d", "1.5h", " 30 M", "90s", "0s")] == [
        604800,
        5400,
        1800,
        90,
        0,
    ]
    for text in ("7", "d", "-1d", "1w", "1d12h", "99999d", "nan"):
        with pytest.raises(ValueError, match=r"write 7d, 12h, 30m or 90s|hundred years"):
            parse_duration(text)


def test_a_task_asks_for_whole_gpus_or_a_part_of_one() -> None:
    assert [parse_gpu_millis(text) for text in ("1", "2", "0.5")] == [1000, 2000, 500]
    for text in ("1.5", "many", "0", "500m"):
        with pytest.raises(ValueError, match="gpu"):
            parse_gpu_millis(text)


def test_an_agent_offers_real_fake_or_no_gpus() -> None:
    assert [parse_gpu_source(text) for text in ("auto", "NONE", "fake:04")] == [
        "auto",
        "none",
        "fake:4",
    ]
    for text in ("4", "fake:", "fake:many", "fake:-1", "real:2"):
        with pytest.raises(ValueError, match="write auto, none or fake:4"):
            parse_gpu_source(text)


def test_resources_are_named_amounts() -> None:
    wanted = Resources.of(cpus=0.5, mem=2**29, disk=10**9, gpus=2)
    assert parse_resources("cpus=0.5,mem=512MiB,disk=1GB,gpus=2") == wanted
    assert parse_resources("cpus=2") == Resources.of(cpus=2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2", "cpus=0.5"),
        ("", "cpus=0.5"),
        ("cups=2", "cpus=0.5"),
        ("cpus=x", "not a number of cpus"),
        ("cpus=1,mem=5", "of what?"),
        ("cpus=1,cpus=2", "twice how much cpus"),
    ],
)
def test_resources_that_make_no_sense(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_resources(text)


def test_m25_what_is_kept_for_a_role() -> None:
    kept = Resources.of(cpus=4, mem=8 * 2**30, gpus=1)
    assert parse_reserve("a/b:cpus=4,mem=8GiB,gpus=1") == ("a/b", kept)
    assert parse_reserve("a:b:cpus=1") == ("a:b", Resources.of(cpus=1))
    nothing_or = or_nothing(parse_millis)
    assert [nothing_or(text) for text in ("0", "0.5")] == [0, 500]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cpus=4", "names no role"),
        (":cpus=4", "the role is empty"),
        ("a:", "cpus=0.5"),
        ("a:gpus=0.5", "whole gpus"),
    ],
)
def test_m25_what_cannot_be_kept_for_a_role(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_reserve(text)


def test_pairs() -> None:
    assert parse_pairs(["A=1", "B=", "C=x=y"]) == {"A": "1", "B": "", "C": "x=y"}
    assert parse_pairs(["HOME"], {"HOME": "/h"}) == {"HOME": "/h"}


@pytest.mark.parametrize(
    ("text", "said"), [("A", "has no value"), ("=1", "not KEY=VALUE"), ("a b=1", "not KEY=VALUE")]
)
def test_pairs_that_make_no_sense(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_pairs([text])


def test_a_bare_key_must_be_set_here() -> None:
    with pytest.raises(ValueError, match="NOPE is not set here"):
        parse_pairs(["NOPE"], {})


def test_what_is_not_utf_8_is_refused() -> None:
    """As Python reads such bytes from a command line or an environment."""
    assert parse_text("grüße") == "grüße"
    with pytest.raises(ValueError, match="is not UTF-8"):
        parse_text("a\udcff")
    for text in ("A=\udcff", "A"):
        with pytest.raises(ValueError, match="the value of A is not UTF-8"):
            parse_pairs([text], {"A": "\udcff"})


def test_amounts_by_resource_where_nothing_says_something() -> None:
    assert parse_amounts("cpus=4, mem=8GiB,gpus=0") == {"cpus": 4000, "mem": 2**33, "gpus": 0}
    assert parse_amounts("disk=0MiB") == {"disk": 0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gpu=1", "is no amount of resources; write cpus=0.5,mem=512MiB"),
        ("", "is no amount of resources"),
        ("cpus=1,cpus=2", "says twice how much cpus"),
        ("cpus", "'' is not a number of cpus"),
        ("cpus=nan", "'nan' is not a number of cpus"),
        ("cpus=-1", "'-1' is not between"),
        ("mem=8", "'8' of what"),
    ],
)
def test_amounts_that_make_no_sense(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_amounts(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nan", "'nan' is not a valid number"),
        ("two", "'two' is not a valid number"),
        ("0", "is not in the range 0<x<=1000"),
        ("inf", "is not in the range 0<x<=1000"),
    ],
)
def test_numbers_that_are_none(text: str, said: str) -> None:
    weight = Number(0, 1000, min_open=True)
    assert weight.convert("2.5", None, None) == 2.5
    with pytest.raises(click.BadParameter, match=said):
        weight.convert(text, None, None)
