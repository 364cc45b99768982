"""Which of Cohere's models think."""

from __future__ import annotations

import pytest

from weighbridge.wire.cohere_chat.models import thinks


@pytest.mark.parametrize("model", ["command-a-reasoning-08-2025", "command-a-plus-05-2026", "north-1"])
def test_new_models_think(model):
    assert thinks(model)


@pytest.mark.parametrize("model", ["command", "command-r-plus", "command-r7b-12-2024", "command-a-03-2025", "c4ai-aya-vision-8b"])
def test_old_models_do_not(model):
    assert not thinks(model)
