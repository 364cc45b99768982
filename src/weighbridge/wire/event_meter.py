"""What a translated reply tells of its usage: its events are read anyway, so that nothing is read twice."""

from __future__ import annotations

from collections.abc import Iterable

from weighbridge.wire.events import Ended, Event, Failed, Finished, Reply, Started, UsageReported
from weighbridge.wire.usage import as_derived
from weighbridge.wire.whole_meter import Meter


class EventMeter(Meter):
    """A meter that takes events. The facts are in the provider's own words, as those of a forwarded reply are."""

    __slots__ = ()

    def take(self, events: Iterable[Event]) -> None:
        """The next events."""
        for event in events:
            self._take(event)

    def take_reply(self, reply: Reply) -> None:
        """A whole reply."""
        self.usage = reply.usage
        self.service_tier, self.region, self.apart = reply.service_tier, reply.region, reply.apart
        self.response_id = reply.id or None
        self.served_model = reply.model or None
        if reply.choices:
            first = reply.choices[0]
            self.finish_reason = first.native or first.reason.value
        self.is_complete = True

    def finish(self) -> None:
        """No more events will come. What was counted of a reply that broke off is a floor."""
        if not self.is_complete:
            self.usage = as_derived(self.usage)

    def _take(self, event: Event) -> None:
        if isinstance(event, UsageReported):
            self.usage, self.region, self.apart = event.usage, event.region, event.apart
            self.service_tier = event.service_tier or self.service_tier
        elif isinstance(event, Finished):
            if self.finish_reason is None or event.choice == 0:
                self.finish_reason = event.native or event.reason.value
        elif isinstance(event, Started):
            self.response_id = event.id or self.response_id
            self.served_model = event.model or self.served_model
            self.service_tier = event.service_tier or self.service_tier
        elif isinstance(event, Ended):
            self.is_complete = True
        elif isinstance(event, Failed):
            self.stream_error = event.code or event.type or "error"
