"""The kinds of values that a configuration holds: how each is read, and what an editor may know about it.

Readers raise `ValueError` with a sentence for the operator that never quotes the value. All of them see text after
`${…}` was replaced, so numbers may come as text.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from weighbridge.auth.addresses import parse_network
from weighbridge.auth.virtual_keys import check_name, digest_of
from weighbridge.config.proxies import parse_proxy
from weighbridge.config.units import parse_duration, parse_size
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Proxy

MIN_KEY_CHARACTERS: Final = 16
"""A key is stored as a plain SHA-256, which is only safe if it cannot be guessed."""
MAX_SECRET_CHARACTERS: Final = 8192
"""Google's and Azure's tokens reach 4 kB; a header line beyond 8 kB is refused by most servers."""
MAX_NAME_CHARACTERS: Final = 200
"""Of a model or route: longer than any vendor's (Bedrock's ARNs reach about 150)."""
_HINT_CHARACTERS: Final = 4

RESERVED_NAMES: Final = frozenset(
    {"v1", "v1beta", "admin", "api", "dashboard", "static", "healthz", "readyz", "metrics", "engines", "genai", "docs"}
)
"""First segments of paths that mean something else: a provider is also reached at `/{provider}/…`."""

_DAYS: Final = re.compile(r"([0-9]{1,6})d")
_MAX_DAYS: Final = 36_500
"""A hundred years."""
_PROVIDER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, section 5.6.2: token
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})")
_FRAMING_HEADERS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te"})
_REFERENCE: Final = r"\$\{"
_THOUSANDS: Final = "^[0-9]{1,3}(_[0-9]{3}){1,4}$"
"""`2_000_000` is text to YAML 1.2, and a number to whoever wrote it."""


class HashedKey(msgspec.Struct, frozen=True):
    """What is kept of a virtual key: its SHA-256 and, if it was given in clear, its last characters."""

    digest: bytes
    hint: str = ""


def _editor(title: str, *, pattern: str | None = None, number: bool = False, choices: tuple[str, ...] = ()) -> Any:
    """The JSON Schema of a field; text that holds a `${…}` is always allowed. `title` is the kind's name in the reference."""
    text: dict[str, Any] = {"type": "string"}
    if choices:
        text = {"anyOf": [{"enum": list(choices)}, {"type": "string", "pattern": _REFERENCE}]}
    elif pattern:
        text["pattern"] = f"{pattern}|{_REFERENCE}"
    elif number:
        text["pattern"] = rf"{_THOUSANDS}|{_REFERENCE}"
    return WithJsonSchema({"title": title, **({"anyOf": [{"type": "integer", "minimum": 0}, text]} if number else text)})


def _duration(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError("must be a duration with a unit, such as `5s`")  # noqa: TRY004 - pydantic takes it for a bug
    return parse_duration(value)


def _positive_duration(value: object) -> int:
    if (nanoseconds := _duration(value)) == 0:
        raise ValueError("must be longer than nothing")
    return nanoseconds


def _days(value: object) -> int:
    found = _DAYS.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 1 <= int(found[1]) <= _MAX_DAYS:
        raise ValueError("must be a number of days, such as `90d`, at most `36500d`")
    return int(found[1])


def _size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError("must be a size, such as `64MB`")  # noqa: TRY004 - pydantic takes it for a bug
    return parse_size(value)


def _number(value: object) -> object:
    is_number = isinstance(value, str) and re.fullmatch(rf"[0-9]{{1,15}}|{_THOUSANDS}", value)
    return int(str(value)) if is_number else value


def _secret(value: object) -> Secret:
    secret = value if isinstance(value, Secret) else Secret(_text(value))
    if not secret:
        raise ValueError("is empty; remove it, or check the environment variable it comes from")
    if len(secret.reveal()) > MAX_SECRET_CHARACTERS:
        raise ValueError(f"is longer than {MAX_SECRET_CHARACTERS} characters")
    if not re.fullmatch(r"[\x21-\x7e]+", secret.reveal()):
        raise ValueError("must be printable ASCII without blanks, which is all that a header can carry")
    return secret


def _header_value(value: object) -> Secret:
    text = _text(value)
    if re.search(r"[\r\n\0]", text):
        raise ValueError("must not contain a line break or NUL: it would end the header")
    if not re.fullmatch(r"[\x20-\x7e\t]*", text) or text != text.strip() or len(text) > MAX_SECRET_CHARACTERS:
        raise ValueError(f"must be at most {MAX_SECRET_CHARACTERS} characters of printable ASCII, without blanks around them")
    return Secret(text)


def _hashed_key(value: object) -> HashedKey:
    key = _secret(value).reveal()
    if len(key) < MIN_KEY_CHARACTERS:
        raise ValueError(f"must have at least {MIN_KEY_CHARACTERS} characters; `weighbridge keys create` makes good ones")
    return HashedKey(digest_of(key.encode()), key[-_HINT_CHARACTERS:])


def _key_digest(value: object) -> HashedKey:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise ValueError("must be a SHA-256 in hexadecimal: 64 digits, in quotes")
    return HashedKey(bytes.fromhex(value))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text; put it in quotes")  # noqa: TRY004 - pydantic takes it for a bug
    return value


def _base_url(value: object) -> str:
    url = _text(value)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("must be a URL such as `https://api.example.com/v1`") from None
    if parts.scheme not in ("http", "https") or not host or port == 0 or re.search(r"[^\x21-\x7e]|\\", url):
        raise ValueError("must be an `http://` or `https://` URL, such as `https://api.example.com/v1`")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user or password; use `api_keys` or `headers`")
    if "?" in url or "#" in url:
        raise ValueError("must not contain a query (`?`) or fragment (`#`)")
    if _bad_host(host) or ".." in parts.path.split("/"):
        raise ValueError("must name a plain host and path")
    return url.rstrip("/")


def _host(value: object) -> str:
    host = _text(value).removeprefix("[").removesuffix("]")
    if _bad_host(host):
        raise ValueError("must be an IP address or a host name")
    return host


def _bad_host(host: str) -> bool:
    if ":" not in host:
        return not _HOST_NAME.fullmatch(host)
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return True
    return False


def _proxy(value: object) -> Proxy:
    return value if isinstance(value, Proxy) else parse_proxy(_text(value))


def _path(value: object, info: ValidationInfo) -> Path:
    text = value if isinstance(value, Path) else _text(value)
    directory: Path = (info.context or {}).get("directory", Path())
    return directory / text


def read_path(value: object, info: ValidationInfo) -> Path:
    """A path as it stands in the file: relative to the file's directory."""
    return _path(value, info)


def _readable_file(value: object, info: ValidationInfo) -> Path:
    path = _path(value, info)
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise ValueError(f"names a file that cannot be read ({error.strerror})") from None
    return path


def _authority_file(value: object, info: ValidationInfo) -> Path:
    path = _readable_file(value, info)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (ssl.SSLError, OSError):
        raise ValueError("holds no certificate in PEM form") from None
    return path


def _expiry(value: object) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise ValueError("must be a date such as `2027-01-31`, or a time such as `2027-01-31T12:00:00Z`")


def _provider_name(name: str) -> str:
    if not _PROVIDER_NAME.fullmatch(name):
        raise ValueError("a provider's name has lower-case letters, digits, `.`, `_` and `-`, and begins with a letter or digit")
    if name in RESERVED_NAMES:
        raise ValueError("a provider cannot have this name: the gateway uses the path itself")
    return name


def _header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("is not a header's name (RFC 9110)")
    if name.lower() in _FRAMING_HEADERS:
        raise ValueError("cannot be set: the gateway sets it from the request itself")
    return name.lower()


def _model_name(name: str) -> str:
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS or re.search(r"[\s\x00-\x1f\x7f]", name):
        raise ValueError(f"a model's name has 1 to {MAX_NAME_CHARACTERS} characters and no blanks")
    return name


def _route_name(name: str) -> str:
    if name.count("*") > 1:
        raise ValueError("a route's name can have one `*`")
    return _model_name(name)


def _target(text: str) -> str:
    provider, slash, model = text.partition("/")
    if not (provider and slash and model):
        raise ValueError("must be `provider/model`")
    return _model_name(text)


def _network(text: str) -> str:
    try:
        parse_network(text)
    except ValueError:
        raise ValueError("must be a network such as `10.0.0.0/8` or `2001:db8::/32`, or one address") from None
    return text


def _key_name(name: str) -> str:
    check_name(name)
    return name


Duration = Annotated[int, BeforeValidator(_positive_duration), _editor("duration", pattern=r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$")]
DurationOrZero = Annotated[int, BeforeValidator(_duration), _editor("duration", pattern=r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$")]
Days = Annotated[int, BeforeValidator(_days), _editor("days", pattern=r"^[0-9]+d$")]
Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema(
        {
            "title": "size",
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": rf"^[0-9]+(B|kB|KB|MB|GB)?$|{_REFERENCE}"},
            ],
        }
    ),
]
Count = Annotated[int, BeforeValidator(_number), Field(ge=1, le=1_000_000), _editor("number", number=True)]
LargeCount = Annotated[int, BeforeValidator(_number), Field(ge=1, le=10**15), _editor("number", number=True)]
Port = Annotated[int, BeforeValidator(_number), Field(ge=0, le=65_535), _editor("port", number=True)]
Host = Annotated[str, BeforeValidator(_host), _editor("host")]
SecretText = Annotated[Secret, BeforeValidator(_secret), _editor("secret")]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[Secret, BeforeValidator(_header_value), _editor("text")]
KeyInClear = Annotated[HashedKey, BeforeValidator(_hashed_key), _editor("secret")]
KeyDigest = Annotated[HashedKey, BeforeValidator(_key_digest), _editor("hexadecimal", pattern="^[0-9a-fA-F]{64}$")]
Network = Annotated[str, AfterValidator(_network), _editor("network")]
KeyName = Annotated[str, AfterValidator(_key_name), _editor("text")]
BaseUrl = Annotated[str, BeforeValidator(_base_url), _editor("URL", pattern=r"^https?://[^@?#]+$")]
ProxyUrl = Annotated[Proxy, BeforeValidator(_proxy), _editor("URL")]
AnyPath = Annotated[Path, BeforeValidator(_path), _editor("path")]
ReadableFile = Annotated[Path, BeforeValidator(_readable_file), _editor("path")]
AuthorityFile = Annotated[Path, BeforeValidator(_authority_file), _editor("path")]
Expiry = Annotated[datetime, BeforeValidator(_expiry), _editor("date or time")]
ProviderName = Annotated[str, AfterValidator(_provider_name)]
RouteName = Annotated[str, AfterValidator(_route_name)]
ModelName = Annotated[str, AfterValidator(_model_name), _editor("text")]
Target = Annotated[str, AfterValidator(_target), _editor("text", pattern="^[^/]+/.+$")]


def choice_schema(title: str, *choices: str) -> Any:
    """The JSON Schema of one of several words, or a `${…}` that becomes one."""
    return _editor(title, choices=choices)
