"""`logprobsResult` <-> log probabilities in OpenAI's shape. https://ai.google.dev/api/generate-content#LogprobsResult"""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.loose_json import as_list, as_object, as_text


def read_logprobs(result: object) -> tuple[JsonObject, ...]:
    """The tokens that were chosen, each with those that might have been."""
    given = as_object(result)
    tops = as_list(given.get("topCandidates"))
    tokens: list[JsonObject] = []
    for i, chosen in enumerate(as_list(given.get("chosenCandidates"))):
        token = _token(as_object(chosen))
        others = as_list(as_object(tops[i]).get("candidates")) if i < len(tops) else []
        token["top_logprobs"] = [_token(as_object(other)) for other in others]
        tokens.append(token)
    return tuple(tokens)


def _token(candidate: JsonObject) -> JsonObject:
    text, logprob = as_text(candidate.get("token")), candidate.get("logProbability")
    spelled: list[Json] = [*text.encode("utf-8", "surrogatepass")]
    # A probability of one is left out by protobuf, as every zero is.
    return {"token": text, "logprob": logprob if isinstance(logprob, (int, float)) else 0.0, "bytes": spelled}


def write_logprobs(tokens: Sequence[JsonObject]) -> JsonObject:
    """The reverse."""
    chosen: list[Json] = [_candidate(token) for token in tokens]
    tops: list[Json] = [
        {"candidates": [_candidate(as_object(other)) for other in as_list(token.get("top_logprobs"))]} for token in tokens
    ]
    return {"chosenCandidates": chosen, "topCandidates": tops}


def _candidate(token: JsonObject) -> JsonObject:
    return {"token": token.get("token"), "logProbability": token.get("logprob")}
