"""The words with which providers say what went wrong, as tables: codes, types, statuses, and what sentences have in common.

The tables are one for all dialects, not one for each: a server that speaks OpenAI's dialect passes on what Anthropic, Google or a
vLLM behind it said, in their words. A word that means different things at different vendors is in none of them, and the HTTP
status decides.

Words are looked up in lower case and without punctuation, so that `ThrottlingException`, `throttlingException` (within a stream)
and `RESOURCE_EXHAUSTED`, `resource_exhausted` are one. Sources: the vendors' pages on errors (OpenAI guides/error-codes, Anthropic
api/errors, Gemini troubleshooting, Bedrock API_runtime_Converse, Azure content-filter, Cohere, Groq, Alibaba, OpenRouter), the
servers' own sources (vLLM, llama.cpp, TGI, Ollama), and recorded exchanges.
"""

from __future__ import annotations

import re
from typing import Final

from weighbridge.core.errors import ErrorKind

_K = ErrorKind
_NOT_A_LETTER: Final = re.compile(r"[^a-z0-9]+")


def plain_word(word: str) -> str:
    """A code or type as it stands in the tables."""
    return _NOT_A_LETTER.sub("", word.lower())


_DECISIVE: Final = {
    _K.CONTEXT_LENGTH_EXCEEDED: """
        context_length_exceeded context_window_exceeded exceed_context_size_error too_many_prompt_tokens
        token_limit_exceeded max_tokens_exceeded model_context_window_exceeded context_too_long prompt_too_long
    """,
    _K.CONTENT_POLICY_VIOLATION: """
        content_filter content_filtered content_policy_violation ResponsibleAIPolicyViolation moderation_blocked
        image_content_policy_violation data_inspection_failed sensitive_words_detected PROHIBITED_CONTENT
        content_moderation request_flagged SAFETY BLOCKLIST
    """,
    _K.INSUFFICIENT_QUOTA: """
        insufficient_quota billing_error billing_hard_limit_reached billing_not_active insufficient_balance
        insufficient_user_quota exceeded_current_quota_error payment_required credit_balance_too_low
        insufficient_credits Arrearage out_of_credits quota_exceeded spend_limit_exceeded budget_exceeded BILLING_DISABLED
    """,
    _K.RATE_LIMIT_EXCEEDED: """
        rate_limit_exceeded rate_limit_error rate_limit_reached rate_limited rate_limit_reached_error rate_limit
        RateLimitReached throttling ThrottlingException TooManyRequests TooManyRequestsException RESOURCE_EXHAUSTED
        limit_requests limit_burst_rate ServiceQuotaExceededException tokens_limit_reached user_rate_limit_exceeded
        concurrency_limit_exceeded
    """,
    _K.PROVIDER_OVERLOADED: """
        overloaded_error overloaded engine_overloaded engine_overloaded_error server_overloaded model_overloaded
        UNAVAILABLE slow_down ServiceUnavailable ServiceUnavailableException service_unavailable_error
        service_unavailable ModelNotReadyException capacity_exceeded service_tier_capacity_exceeded
        provider_overloaded NoCapacity resource_unavailable
    """,
    _K.PROVIDER_AUTHENTICATION: """
        invalid_api_key authentication_error UNAUTHENTICATED invalid_authentication_error incorrect_api_key_error
        missing_api_key API_KEY_INVALID API_KEY_EXPIRED ACCESS_TOKEN_EXPIRED ACCESS_TOKEN_TYPE_UNSUPPORTED
        CREDENTIALS_MISSING invalid_token ExpiredTokenException ExpiredToken UnrecognizedClientException
        InvalidSignatureException IncompleteSignatureException InvalidClientTokenId
        MissingAuthenticationTokenException SignatureDoesNotMatch Unauthorized InvalidApiKey token_expired
    """,
    _K.PROVIDER_PERMISSION: """
        permission_error permission_denied PERMISSION_DENIED AccessDeniedException AccessDenied forbidden
        unsupported_country_region_territory organization_restricted account_deactivated OptInRequired
        SERVICE_DISABLED API_KEY_SERVICE_BLOCKED API_KEY_HTTP_REFERRER_BLOCKED API_KEY_IP_ADDRESS_BLOCKED
        data_residency_mismatch
    """,
    _K.PROVIDER_MODEL_NOT_FOUND: """
        model_not_found model_not_available model_not_supported model_decommissioned model_deprecated invalid_model
        ModelNotFound DeploymentNotFound unknown_model model_terms_required deployment_not_found
    """,
    _K.PROVIDER_TIMEOUT: """
        timeout_error timeout DEADLINE_EXCEEDED ModelTimeoutException request_timeout vector_store_timeout
        upstream_timeout
    """,
    # The model's answer was none, and asking anew can help: https://console.groq.com/docs/tool-use
    _K.PROVIDER_MALFORMED: "tool_use_failed json_validate_failed output_parse_failed",
    _K.PROVIDER_CONFLICT: "ABORTED ConflictException conflict_error idempotency_conflict",
}
DECISIVE: Final[dict[str, ErrorKind]] = {plain_word(word): kind for kind, words in _DECISIVE.items() for word in words.split()}
"""Words that leave no doubt, whatever the status is."""

_GENERAL: Final = {
    _K.PROVIDER_INVALID_REQUEST: """
        invalid_request_error invalid_request invalid_prompt invalid_image INVALID_ARGUMENT FAILED_PRECONDITION OUT_OF_RANGE
        BadRequest BadRequestError bad_request_error ValidationException ValidationError validation_error invalid_parameter_error
        UNIMPLEMENTED bad_request client_error image_generation_user_error
    """,
    _K.UNPROCESSABLE: "unprocessable_entity unprocessable_entity_error unprocessable",
    _K.PAYLOAD_TOO_LARGE: "request_too_large payload_too_large",
    _K.PROVIDER_NOT_FOUND: "not_found_error not_found NotFoundError ResourceNotFoundException resource_not_found_error",
    _K.PROVIDER_INTERNAL: """
        api_error server_error internal_server_error internal_error INTERNAL UNKNOWN DATA_LOSS InternalServerException
        InternalFailure ModelErrorException ModelStreamErrorException server provider_unavailable error processing_error
    """,
}
GENERAL: Final[dict[str, ErrorKind]] = {plain_word(word): kind for kind, words in _GENERAL.items() for word in words.split()}
"""Words that say no more than a status does: they count where there is no status (an error within a stream)."""

BY_STATUS: Final[dict[int, ErrorKind]] = {
    400: _K.PROVIDER_INVALID_REQUEST,
    401: _K.PROVIDER_AUTHENTICATION,
    402: _K.INSUFFICIENT_QUOTA,
    403: _K.PROVIDER_PERMISSION,
    404: _K.PROVIDER_NOT_FOUND,
    408: _K.PROVIDER_TIMEOUT,
    409: _K.PROVIDER_CONFLICT,
    410: _K.PROVIDER_NOT_FOUND,
    413: _K.PAYLOAD_TOO_LARGE,
    422: _K.UNPROCESSABLE,
    424: _K.PROVIDER_INTERNAL,  # Bedrock: the model failed
    425: _K.PROVIDER_CONFLICT,
    429: _K.RATE_LIMIT_EXCEEDED,
    498: _K.PROVIDER_OVERLOADED,  # Groq: the capacity of the flex tier is used up
    499: _K.PROVIDER_INTERNAL,  # it thinks that we went away, and we did not
    501: _K.PROVIDER_NOT_FOUND,  # llama.cpp: an endpoint, or a kind of input, that this model has not. Another one may
    503: _K.PROVIDER_OVERLOADED,
    504: _K.PROVIDER_TIMEOUT,
    522: _K.PROVIDER_TIMEOUT,  # Cloudflare: the server behind it does not answer
    524: _K.PROVIDER_TIMEOUT,
    529: _K.PROVIDER_OVERLOADED,  # Anthropic
}


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# Google's "You exceeded your current quota, please check your plan and billing details" is a rate limit there (a word says so);
# OpenAI says the same with the word `insufficient_quota`. So that sentence is not here.
NO_MONEY: Final = _any_of(
    r"credit balance is too low",
    r"insufficient (?:account )?(?:balance|credits?|funds)",
    r"(?:requires|need) more credits",
    r"(?:run|ran) out of credits|out of credits|credits (?:are|have been|is) (?:depleted|exhausted)|used all available credits",
    r"billing hard limit|reached your (?:specified )?(?:api )?(?:usage|monthly|spend(?:ing)?) limits?|spend(?:ing)? (?:limit|cap) ",
    r"monthly (?:included credits|spending limit|spend limit)",
    r"billing (?:is not|isn't|to be) (?:active|enabled)|enable billing|billing account .{0,60}(?:disabled|closed|not active)",
    r"payment required|account is (?:in arrears|not active, please check your billing)|overdue.payment|access denied.{0,80}arrear",
)
"""Sentences about unpaid bills: they come with every status from 400 to 429 and any type, and are asked for first."""

SENTENCES: Final[tuple[tuple[re.Pattern[str], ErrorKind], ...]] = (
    (
        _any_of(
            # OpenAI, vLLM, DeepSeek, OpenRouter, Mistral, llama.cpp, Ollama, Anthropic, LM Studio
            r"context (?:length|window|size|limit)",
            # xAI, OpenAI's embeddings, servers on vLLM
            r"maximum (?:prompt|input|sequence) length|max_seq_len|max_model_len",
            # Anthropic, Bedrock, Ollama, Moonshot, Perplexity
            r"(?:prompt|inputs?|messages?)\b.{0,40} (?:is|are|was) too (?:long|large for)",
            r"prompt too long|input (?:token )?length too long",
            # Cohere, Mistral
            r"too many (?:input )?tokens: |too large for model with|total number of tokens in the (?:prompt|batch)",
            # Gemini, Bedrock, Moonshot, Z.ai
            r"exceeds? (?:the )?(?:maximum|max) (?:number of (?:input )?tokens|input tokens?|allowed (?:input )?tokens)",
            r"input tokens exceeded|exceeded model token limit|prompt exceeds max length|exceeds the token limit",
            # OpenAI, Groq, Cerebras
            r"reduce the length of (?:the messages|your|either|the prompt|the input)",
            # TGI and Together, Alibaba
            r"`?inputs`? tokens \+ `?max_new_tokens`? must be|range of input length should be",
            r"\btokens? .{0,60}(?:exceeds?|greater than|larger than) .{0,30}(?:maximum allowed tokens|model'?s? (?:limit|maximum))",
        ),
        _K.CONTEXT_LENGTH_EXCEEDED,
    ),
    (
        _any_of(
            r"content (?:management|filter(?:ing)?|moderation|safety) (?:policy|system|policies)",
            r"blocked by .{0,40}(?:filter|safety|policy)",
            r"(?:flagged|rejected|blocked) (?:as|for|by|because|due)\b.{0,60}(?:violat|polic|safety|moderation|harm|unsafe)",
            r"(?:your|the) (?:input|prompt|request|message)s? (?:was|were|has been) flagged",
            r"content violates|violates? (?:our |the )?(?:usage|content|safety) (?:policy|policies|guidelines)",
            r"content exists risk|inappropriate content|sensitive content|unsafe or sensitive",  # DeepSeek, Alibaba, Z.ai
        ),
        _K.CONTENT_POLICY_VIOLATION,
    ),
    (
        _any_of(
            r"(?:incorrect|invalid|wrong|expired|missing|no|unknown|bad) (?:x-)?(?:api[ -]?key|subscription key"
            r"|(?:api|access|auth|bearer|id) token)\b",
            r"(?:invalid|missing) (?:authentication|authorization|bearer)",
            r"api[ -]?key\b.{0,40}(?:not valid|invalid|expired|not found|is required|missing|revoked|disabled|reported as leaked)",
            r"security token (?:included in the request )?is (?:invalid|expired)|request signature we calculated",
            r"authentication (?:fail|required|token)|unable to (?:locate|verify) .{0,20}credential",
        ),
        _K.PROVIDER_AUTHENTICATION,
    ),
    (
        _any_of(
            # Between the word and the verdict stands the model's name.
            r"\bmodel\b.{0,120}(?:does not exist|doesn't exist|not exist\b|not found|was not found|no longer available)",
            r"\bmodel\b.{0,120}(?:has been|was|is) (?:deprecated|removed|retired|decommissioned|shut down|not available)",
            r"\bmodel\b.{0,120}(?:not deployed|end of its life)",
            r"^model:? \S+$|^model \S+ is not supported|not a valid model|(?:invalid|unknown|unsupported) model\b",
            r"not found the model|provided model identifier is invalid|with on-demand throughput isn|unable to access model",
            r"models/\S+ is not (?:found|supported)|api deployment .{0,40}does not exist|no endpoints found for",
        ),
        _K.PROVIDER_MODEL_NOT_FOUND,
    ),
    (
        _any_of(
            r"location is not supported|not (?:available|supported) in your (?:country|region)",
            r"not authorized to (?:perform|access|invoke)|don't have access to the model|does not have (?:access|permission)",
        ),
        _K.PROVIDER_PERMISSION,
    ),
    (
        _any_of(
            r"overloaded|at capacity|capacity (?:is )?exceeded|currently experiencing high (?:demand|load)",
            r"model is (?:currently )?loading",
        ),
        _K.PROVIDER_OVERLOADED,
    ),
    (
        _any_of(
            r"rate[ -]?limit|too many requests|requests? per (?:minute|second|day)|tokens per (?:minute|day)",
            r"quota exceeded|throttl",
        ),
        _K.RATE_LIMIT_EXCEEDED,
    ),
)
"""What sentences have in common, the first that fits counts. Asked where no word decided."""

SENTENCE_STATUSES: Final[dict[ErrorKind, frozenset[int]]] = {
    _K.CONTEXT_LENGTH_EXCEEDED: frozenset((0, 200, 400, 413, 422, 424, 500, 503)),
    _K.CONTENT_POLICY_VIOLATION: frozenset((0, 200, 400, 403, 422, 424, 451, 500)),
    _K.PROVIDER_AUTHENTICATION: frozenset((0, 200, 400, 401, 403, 422)),
    _K.PROVIDER_MODEL_NOT_FOUND: frozenset((0, 200, 400, 403, 404, 410, 422)),
    _K.PROVIDER_PERMISSION: frozenset((0, 200, 400, 403, 404)),
    _K.PROVIDER_OVERLOADED: frozenset((0, 200, 429, 500, 502, 503, 520, 529)),
    _K.RATE_LIMIT_EXCEEDED: frozenset((0, 200, 413, 429, 503)),
}
"""With which statuses a sentence may mean this (0: none is known): a 429 that speaks of a context length is a rate limit."""
