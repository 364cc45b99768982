from __future__ import annotations


def test_the_file_that_it_writes_is_valid(run):
    assert run("init").code == 0
    assert run("check-config").code == 0


def test_a_file_that_is_there_is_kept_unless_forced(run, here):
    (here / "weighbridge.yaml").write_text("mine")
    outcome = run("init")
    assert (outcome.code, outcome.out) == (1, "")
    assert "--force" in outcome.err
    assert (here / "weighbridge.yaml").read_text() == "mine"
    assert run("init", "--force").code == 0
    assert (here / "weighbridge.yaml").read_text() != "mine"


def test_another_place_is_named_in_the_next_steps(run, here):
    outcome = run("init", "--path", "gateway.yaml")
    assert (here / "gateway.yaml").is_file()
    assert "weighbridge serve --config gateway.yaml" in outcome.err


def test_a_place_that_cannot_be_written_is_code_3(run):
    outcome = run("init", "--path", "missing/weighbridge.yaml")
    assert outcome.code == 3
    assert "--path" in outcome.err
