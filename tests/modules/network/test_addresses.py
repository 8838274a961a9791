"""Addresses and placements: what others can dial and read, and nothing else, whoever wrote it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.network.desk import Desk, Node
from traco.kernel.codec import Codec, encode
from traco.modules.network.errors import AddressWrong, GatewayWrong
from traco.modules.network.messages import UpdateNode
from traco.modules.network.state import Placement
from traco.modules.network.validity import check_address, check_gateway

LABEL = "a" * 63


@pytest.mark.parametrize(
    "address",
    [
        "a:1", "node.example:26656", "node-1.example.com:65535", "localhost:26656", "10.0.0.1:26656", "127.0.0.1:1",
        "255.255.255.255:1", "[::1]:26656", "[2001:db8::7]:26656", "[fe80:0:0:0:1:2:3:4]:26656", "[1::]:80", "[1:2:3:4:5:6::]:1",
        "xn--bcher-kva.example:26656", "1a.example:1", f"{LABEL}.{LABEL}.{LABEL}.{'a' * 61}:65535",
    ],
)  # fmt: skip
def test_what_can_be_dialled_is_accepted(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "", ":", "a", "a:", ":1", "a:0", "a:01", "a:65536", "a:100000", "a:-1", "a:+1", "a: 1", " a:1", "a:1 ", "a:1\n", "a\n:1",
        "A.example:1", "a..b:1", ".a:1", "a.:1", "-a:1", "a-:1", "a_b:1", f"{LABEL}a:1",
        f"{LABEL}.{LABEL}.{LABEL}.{'a' * 62}:1", "1.2.3:1", "1.2.3.4.5:1", "256.1.1.1:1", "01.2.3.4:1", "1:1", "0x7f.1:1",
        "node.1:1", "0.0.0.0:26656", "[::]:26656", "[::1]", "::1:26656", "[:::1]:1", "[1:2]:1", "[1::2::3]:1",
        "[12345::]:1", "[1:2:3:4:5:6:7:8:9]:1", "[1:2:3:4:5:6:7::8]:1", "[::ffff:1.2.3.4]:1", "[fe80::1%eth0]:1", "[g::]:1",
        "[::1]a:1", "user@a:1", "tcp://a:1", "a:1/x", "a:1,b:2", "a:1;rm -rf", "a:$(id)", "a`id`:1", 'a":1', "a':1", "a\\:1",
        "\uff41.example:1", "bücher.example:1", "a.example:\u0661", "a\u200b.example:1", "a\u202e:1", "a\0:1", "<b>a:1", "[a]:1",
    ],
)  # fmt: skip
def test_what_cannot_or_says_something_else_is_refused(address: str) -> None:
    with pytest.raises(AddressWrong):
        check_address(address)


@given(st.text(max_size=40))
def test_of_any_text_only_plain_characters_get_in(text: str) -> None:
    try:
        check_address(text)
    except AddressWrong:
        return
    assert re.fullmatch(r"[a-z0-9.:\[\]-]+", text, re.ASCII)


@pytest.mark.parametrize(
    "gateway",
    [
        "", "https://a.example", "https://a.example/", "http://10.0.0.1:8000", "https://[::1]:8443/v1",
        "https://a.example/traco/node-1", "http://localhost:8000",
    ],
)  # fmt: skip
def test_a_gateway_is_a_plain_url_or_none(gateway: str) -> None:
    check_gateway(gateway)


@pytest.mark.parametrize(
    "gateway",
    [
        "a.example", "ftp://a.example", "javascript:alert(1)", "https://", "https:///", "https://a.example?x=1",
        "https://a.example#x", "https://user:secret@a.example", "https://a.example//x", "https://a.example:0",
        "https://A.example", "HTTPS://a.example", "https://a.example/%2e", "https://a.example/x y", "https://a.example\n",
        "https://a.example/<script>", "https://0.0.0.0:8000", " https://a.example", "https://a.example/\u202e",
    ],
)  # fmt: skip
def test_other_gateways_are_refused(gateway: str) -> None:
    with pytest.raises(GatewayWrong):
        check_gateway(gateway)


@pytest.mark.parametrize(
    "place",
    [Placement(), Placement("Example IT GmbH & Co. KG"), Placement("示例银行", "aliyun", "cn-shanghai", "b"), Placement("", "self", "zrh1", "dc/2")],
)  # fmt: skip
def test_placements_are_names_and_codes(place: Placement) -> None:
    assert Codec(Placement).decode(encode(place)) == place


@pytest.mark.parametrize(
    "place",
    [
        Placement("a\nb"), Placement("a\x1b[31m"), Placement("a\u202eb"), Placement("a\u200bb"), Placement("\ufeffa"),
        Placement("a\u2066b"), Placement("a\x85b"), Placement("a\xadb"), Placement("o" * 129), Placement("", "AWS"),
        Placement("", "a b"), Placement("", "-a"), Placement("", "a\n"), Placement("", "", "é"), Placement("", "", "", "p" * 65),
    ],
)  # fmt: skip
def test_what_would_be_misread_is_no_placement(place: Placement) -> None:
    with pytest.raises(ValueError, match=r"length|regex"):
        Codec(Placement).decode(encode(place))


@pytest.mark.parametrize("address", ["0.0.0.0:26656", "a:1;id", "nowhere"])
def test_admission_and_update_refuse_such_addresses(desk: Desk, address: str) -> None:
    desk.register("new")
    assert desk.refuse(desk.admission("new", address=address)) == "network.address_wrong"
    update = UpdateNode(desk.ids["a"], Node("a").key, address, "", Placement())
    assert desk.deny("a", update) == "network.address_wrong"


def test_admission_and_update_refuse_such_gateways(desk: Desk) -> None:
    desk.register("new")
    assert desk.refuse(desk.admission("new", gateway="javascript:alert(1)")) == "network.gateway_wrong"
    update = UpdateNode(desk.ids["a"], Node("a").key, Node("a").address, "http://x?y", Placement())
    assert desk.deny("a", update) == "network.gateway_wrong"


def test_text_longer_than_the_longest_is_no_instruction(desk: Desk) -> None:
    update = UpdateNode(desk.ids["a"], Node("a").key, "a" * 262, "", Placement())
    assert desk.deny("a", update) == "transaction.malformed"
