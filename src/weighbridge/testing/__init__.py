"""The shipped test kit: simulated providers (OpenAI, Anthropic, Gemini, Bedrock, Cohere, Ollama) on real sockets, with faults, a
journal and an exact invoice.

Needs the extra `weighbridge[testing]`. Production code never imports it.
"""

from weighbridge.testing.anthropic import SimulatedAnthropic
from weighbridge.testing.bedrock import SimulatedBedrock
from weighbridge.testing.cohere import SimulatedCohere
from weighbridge.testing.faults import Ending, Fault, Faults
from weighbridge.testing.gemini import SimulatedGemini
from weighbridge.testing.generation import count_tokens
from weighbridge.testing.invoice import Bill, Invoice, LineItem, Prices
from weighbridge.testing.journal import Entry, Journal, ReceivedRequest, SentReply, Violation
from weighbridge.testing.ollama import SimulatedOllama
from weighbridge.testing.openai import SimulatedOpenAI
from weighbridge.testing.provider import SimulatedProvider
from weighbridge.testing.static import After, Piece, StaticReply, StaticServer
from weighbridge.testing.upstreams import running

__all__ = [
    "After",
    "Bill",
    "Ending",
    "Entry",
    "Fault",
    "Faults",
    "Invoice",
    "Journal",
    "LineItem",
    "Piece",
    "Prices",
    "ReceivedRequest",
    "SentReply",
    "SimulatedAnthropic",
    "SimulatedBedrock",
    "SimulatedCohere",
    "SimulatedGemini",
    "SimulatedOllama",
    "SimulatedOpenAI",
    "SimulatedProvider",
    "StaticReply",
    "StaticServer",
    "Violation",
    "count_tokens",
    "running",
]
