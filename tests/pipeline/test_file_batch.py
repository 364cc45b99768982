"""A batch whose requests are in a file that was uploaded before."""

from __future__ import annotations

import pytest
from tests.pipeline.conftest import virtual_key
from tests.pipeline.test_bookkeeper import KEY_BUDGET, RATES, of, spent

from weighbridge.core.codec import encode_json
from weighbridge.core.rates import UNIT, PriceBook, PriceRule

HALF = PriceBook(rules=(PriceRule("*", own=(RATES,), tiers={"batch": UNIT // 2}, source="tests"),))
FORM = ("content-type", "multipart/form-data; boundary=xyz")


def line(model="gpt-4o", max_tokens=100, url="/v1/chat/completions", **fields):
    body = {"model": model, "max_tokens": max_tokens, "messages": [{"role": "user", "content": "Hello"}]} | fields
    return {"custom_id": "a", "method": "POST", "url": url, "body": body}


def upload(*lines, purpose=b"batch"):
    file = b"\n".join(each if isinstance(each, bytes) else encode_json(each) for each in lines)
    head = b'--xyz\r\ncontent-disposition: form-data; name="purpose"\r\n\r\n%b\r\n' % purpose
    return head + b'--xyz\r\ncontent-disposition: form-data; name="file"; filename="b.jsonl"\r\n\r\n%b\r\n--xyz--\r\n' % file


async def send_file(world, body, file_id="file_1"):
    made = encode_json({"id": file_id, "object": "file", "purpose": "batch"})
    world.will_reply(made, length=len(made))
    return await world.ask("POST", "/v1/files", body, [FORM])


async def make(world, file_id="file_1"):
    made = b'{"id":"batch_1","object":"batch","status":"validating"}'
    world.will_reply(made, length=len(made))
    asked = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    return await world.ask("POST", "/v1/batches", asked)


def most(*lines):
    sizes = [len(encode_json(each["body"])) for each in lines]
    return sum((size + 1_024) * 500 + each["body"]["max_tokens"] * 5_000 for size, each in zip(sizes, lines, strict=True))


def refusal(client):
    return client.status, client.json["error"]["code"]


async def test_a_hard_budget_holds_the_most_that_the_requests_in_the_file_may_cost(build):
    world = build(**of(KEY_BUDGET, prices=HALF))
    lines = [line(), line(max_tokens=2_000)]
    body = upload(*lines)
    assert (await send_file(world, body)).status == 200
    assert world.sent_body == body
    assert (await make(world)).status == 200
    assert spent(world) == (most(*lines), 0)
    told = {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150}
    done = encode_json({"id": "batch_1", "object": "batch", "status": "completed", "model": "gpt-4o", "usage": told})
    world.will_reply(done, length=len(done))
    await world.ask("GET", "/v1/batches/batch_1")
    assert spent(world) == ((100 * 1_000 + 50 * 10_000) // 2, 0)


async def test_any_number_of_batches_can_be_made_of_a_file(build):
    world = build(**of(KEY_BUDGET, prices=HALF))
    await send_file(world, upload(line()))
    for number in (1, 2):
        assert (await make(world)).status == 200
        assert spent(world)[0] == number * most(line())


@pytest.mark.parametrize(
    "body",
    [
        upload(line(), purpose=b"user_data"),
        upload(line(), b"no json"),
        upload(line(), {"url": "/v1/chat/completions", "body": {}}),
        upload(line(), {"url": "/v1/nothing", "body": line()["body"]}),
        upload(line(), encode_json(line())[:-1] + b',"body":{"model":"gpt-4o"}}'),
        upload(line(model="openai/gpt-4o")),  # which OpenAI does not know
    ],
)
async def test_a_file_that_is_not_understood_as_it_passes_stands_for_nothing(build, body):
    world = build(**of(KEY_BUDGET, prices=HALF))
    assert (await send_file(world, body)).status == 200
    assert refusal(await world.ask("POST", "/v1/batches", {"input_file_id": "file_1"})) == (403, "cannot_be_bounded")


async def test_a_file_of_another_key_or_one_that_was_not_taken_stands_for_nothing(build):
    world = build(**of(KEY_BUDGET, prices=HALF))
    await send_file(world, upload(line()))
    assert refusal(await world.ask("POST", "/v1/batches", {"input_file_id": "file_2"}))[1] == "cannot_be_bounded"
    refused = b'{"id":"file_3","error":{"message":"too large"}}'
    world.will_reply(refused, length=len(refused), status=413)
    await world.ask("POST", "/v1/files", upload(line()), [FORM])
    assert refusal(await world.ask("POST", "/v1/batches", {"input_file_id": "file_3"}))[1] == "cannot_be_bounded"


async def test_a_key_for_certain_models_may_make_batches_of_those(build):
    world = build(keys=[virtual_key(models=("openai/gpt-4o",))])
    await send_file(world, upload(line()))
    await send_file(world, upload(line(), line(model="gpt-5")), "file_2")
    assert (await make(world)).status == 200
    assert refusal(await world.ask("POST", "/v1/batches", {"input_file_id": "file_2"})) == (403, "model_not_allowed")


async def test_a_keys_bound_on_outputs_must_be_seen_to_hold(build):
    world = build(keys=[virtual_key(max_output_tokens=100)])
    await send_file(world, upload(line(max_tokens=100, n=3)))
    await send_file(world, upload(line(max_tokens=101)), "file_2")
    assert (await make(world)).status == 200
    for unseen in ("file_2", "file_3"):
        client = await world.ask("POST", "/v1/batches", {"input_file_id": unseen})
        assert refusal(client) == (403, "output_cap_unseen")
