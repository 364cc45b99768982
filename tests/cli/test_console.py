from __future__ import annotations

from weighbridge.cli.console import CliError, report, show_table


def test_a_failure_is_told_on_standard_error_with_what_to_do(capfd):
    report(CliError("the door is shut", advice="open it"))
    assert capfd.readouterr() == ("", "error: the door is shut\nopen it\n")


def test_a_table_in_a_pipe_keeps_long_cells_in_one_line(capfd):
    show_table(["id", "name"], [("key_" + "0" * 24, "x" * 64)])
    assert any("key_" + "0" * 24 in line and "x" * 64 in line for line in capfd.readouterr().out.splitlines())


def test_a_cell_is_text_and_not_markup(capfd):
    show_table(["name"], [("[bold]x[/bold] [link=http://x]y[/link]",)])
    assert "[bold]x[/bold] [link=http://x]y[/link]" in capfd.readouterr().out
