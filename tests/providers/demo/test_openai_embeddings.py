"""Embeddings and moderations as the OpenAI SDK sees them."""

import math

import openai
import pytest


@pytest.mark.parametrize("encoding", ["float", "base64"])
@pytest.mark.parametrize("size", [1, 7, 1536])
def test_vectors_have_length_one_and_the_asked_dimensions(openai_client, encoding, size):
    options = {"encoding_format": encoding} if encoding == "float" else {}
    reply = openai_client.embeddings.create(model="embed", input=["a", "b"], dimensions=size, **options)
    assert [len(item.embedding) for item in reply.data] == [size, size]
    assert math.hypot(*reply.data[0].embedding) == pytest.approx(1, abs=1e-6)


def test_both_encodings_give_the_same_vector(openai_client):
    floats = openai_client.embeddings.create(model="embed", input="a", encoding_format="float").data[0].embedding
    packed = openai_client.embeddings.create(model="embed", input="a").data[0].embedding
    assert packed == pytest.approx(floats, abs=1e-6)


def test_equal_texts_have_equal_vectors_and_others_do_not(openai_client):
    first, again, other = openai_client.embeddings.create(model="embed", input=["a", "a", "b"]).data
    assert first.embedding == again.embedding != other.embedding


def test_tokens_are_counted_for_texts_and_for_token_arrays(openai_client):
    assert openai_client.embeddings.create(model="embed", input="Hello").usage.prompt_tokens == 2
    assert openai_client.embeddings.create(model="embed", input=[[1, 2, 3], [4]]).usage.total_tokens == 4


@pytest.mark.parametrize(
    "options",
    [{"model": "echo"}, {"input": []}, {"input": ["a"] * 2049}, {"input": ["a"] * 400, "dimensions": 3072}, {"dimensions": 3073}],
)
def test_what_cannot_be_embedded_is_refused(openai_client, options):
    with pytest.raises(openai.BadRequestError):
        openai_client.embeddings.create(**{"model": "embed", "input": "a", **options})


def test_moderation_flags_the_categories_that_a_text_names(openai_client):
    calm, wild = openai_client.moderations.create(model="echo", input=["a walk", "no violence"]).results
    assert not calm.flagged
    assert wild.flagged
    assert wild.categories.violence
    assert not wild.categories.hate
