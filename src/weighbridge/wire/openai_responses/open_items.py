"""Items of a stream in the making: what has been said of each, and what it is at its beginning and at its end."""

from __future__ import annotations

from weighbridge.core.codec import encode_json
from weighbridge.wire.conversation import Citation, Seal
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.openai_responses.reply_items import (
    call_item,
    cut,
    message_item,
    reasoning_item,
    refusal_content,
    text_content,
)
from weighbridge.wire.openai_responses.vocabulary import Item


class OpenItem:
    """What all have: their place in the output, and what their events say of it.

    `is_seal`: an item that holds the seal of the one before it, and is announced only when that one is done.
    """

    __slots__ = ("id", "id_json", "index", "is_seal")

    def __init__(self, index: int, item_id: str) -> None:
        self.index = index
        self.id = item_id
        self.id_json = encode_json(item_id)
        self.is_seal = False

    @property
    def place(self) -> JsonObject:
        """The fields that name the item in an event."""
        return {"item_id": self.id, "output_index": self.index}

    def announced(self) -> Item:
        """The item at its beginning."""
        raise NotImplementedError

    def done(self, status: str) -> Item:
        """The item at its end. `status`: `completed`, or `incomplete` where it was cut."""
        raise NotImplementedError


class OpenMessage(OpenItem):
    """A message. `open` of its contents have not ended; `is_closed`: no further one will come."""

    __slots__ = ("contents", "is_closed", "open")

    def __init__(self, index: int, item_id: str) -> None:
        super().__init__(index, item_id)
        self.contents: list[OpenContent] = []
        self.open = 0
        self.is_closed = False

    def begin(self, *, is_refusal: bool) -> OpenContent:
        """A further content."""
        content = OpenContent(self, len(self.contents), is_refusal=is_refusal)
        self.contents.append(content)
        self.open += 1
        return content

    def announced(self) -> Item:
        """A message without contents."""
        return message_item(self.id, [], "in_progress")

    def done(self, status: str) -> Item:
        """The message with all of them."""
        return message_item(self.id, [content.done() for content in self.contents], status)


class OpenContent(OpenItem):
    """A text or a refusal of a message."""

    __slots__ = ("annotations", "citations", "is_refusal", "logprobs", "message", "number", "texts")

    def __init__(self, message: OpenMessage, number: int, *, is_refusal: bool) -> None:
        super().__init__(message.index, message.id)
        self.message = message
        self.number = number
        self.is_refusal = is_refusal
        self.texts: list[str] = []
        self.citations: list[Citation] = []
        self.logprobs: list[Json] = []
        self.annotations = 0

    @property
    def place(self) -> JsonObject:
        """The fields that name the content in an event."""
        return {"item_id": self.id, "output_index": self.index, "content_index": self.number}

    def empty(self) -> JsonObject:
        """The content at its beginning."""
        return refusal_content("") if self.is_refusal else text_content("")

    def done(self, _status: str = "") -> JsonObject:
        """The content at its end."""
        text = "".join(self.texts)
        if self.is_refusal:
            return refusal_content(text)
        return {**text_content(text, self.citations), "logprobs": self.logprobs}


class OpenCall(OpenItem):
    """A call of one of the caller's tools. `is_wrapped`: its free text comes as the JSON of a function's arguments."""

    __slots__ = ("call_id", "is_custom", "is_wrapped", "name", "texts")

    def __init__(self, index: int, item_id: str, call_id: str, name: str, *, is_custom: bool) -> None:
        super().__init__(index, item_id)
        self.call_id = call_id
        self.name = name
        self.is_custom = is_custom
        self.is_wrapped = False
        self.texts: list[str] = []

    def announced(self) -> Item:
        """A call without arguments."""
        return call_item(self.id, self.call_id, self.name, "", is_custom=self.is_custom, status="in_progress")

    def done(self, status: str) -> Item:
        """The call with all of them."""
        return call_item(self.id, self.call_id, self.name, "".join(self.texts), is_custom=self.is_custom, status=status)


class OpenReasoning(OpenItem):
    """Reasoning. Of its summary, the last paragraph may be open, and the first one may be the thinking itself."""

    __slots__ = ("has_text_in_summary", "is_paragraph_open", "seal", "summary", "texts")

    def __init__(self, index: int, item_id: str) -> None:
        super().__init__(index, item_id)
        self.texts: list[str] = []
        self.summary: list[list[str]] = []
        self.is_paragraph_open = False
        self.has_text_in_summary = False
        self.seal: Seal | None = None

    def announced(self) -> Item:
        """Reasoning of which nothing is known yet."""
        return reasoning_item(self.id, "", (), None)

    def done(self, status: str) -> Item:
        """All of it."""
        summary = ["".join(paragraph) for paragraph in self.summary]
        item = reasoning_item(self.id, "".join(self.texts), summary, self.seal)
        if status != "completed":
            cut(item, status)
        return item


class WholeItem(OpenItem):
    """An item that comes in one piece."""

    __slots__ = ("item", "kind")

    def __init__(self, index: int, item: Item) -> None:
        item_id: Json = item.get("id")
        kind: Json = item.get("type")
        super().__init__(index, item_id if isinstance(item_id, str) else "")
        self.item = item
        self.kind = kind if isinstance(kind, str) else ""

    def announced(self) -> Item:
        """The item as it is."""
        return self.item

    def done(self, _status: str) -> Item:
        """The item as it is."""
        return self.item
