from __future__ import annotations

from weighbridge.wire.conversation import ServerToolKind, ServerToolUse
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.server_tools import drop_options, own_options


def test_what_vendors_share_is_no_option_of_its_own_and_nothing_asks_for_nothing():
    raw = {"type": "web_search", "use_cache": False, "filters": {}, "citations": {"enabled": True}, "strict": None}
    assert own_options(raw, ("type",)) == ("use_cache", "citations")


def test_every_option_that_has_no_place_is_named():
    tool = ServerToolUse(
        "openai", ServerToolKind.WEB_SEARCH, {}, allowed_domains=("a.example",), context_size="high", own_options=("search_types",)
    )
    receipt = Receipt()
    drop_options(tool, "tools[0]", receipt, "no place", kept=("allowed_domains",))
    assert receipt.edits() == ["dropped:tools[0].context_size", "dropped:tools[0].search_types"]
