from __future__ import annotations

import gzip

import pytest

from weighbridge.control.dashboard.assets import Asset, load_assets


def test_every_file_of_the_package_is_there_with_its_media_type():
    assets = load_assets()
    assert assets.by_path["app.js"].media_type == "text/javascript; charset=utf-8"
    assert assets.by_path["style/base.css"].media_type == "text/css; charset=utf-8"
    assert assets.by_path["pages/overview.js"].body.startswith(b"// Overview")


def test_the_version_is_the_same_for_the_same_files_and_another_for_others():
    assert load_assets().version == load_assets().version
    assert Asset.of(b"a", ".js").etag != Asset.of(b"b", ".js").etag


def test_a_compressed_form_is_the_file():
    for asset in load_assets().by_path.values():
        if asset.compressed is not None:
            assert gzip.decompress(asset.compressed) == asset.body
            assert len(asset.compressed) < len(asset.body)


def test_what_is_too_small_to_gain_is_not_compressed():
    assert Asset.of(b"x" * 511, ".js").compressed is None
    assert Asset.of(b"x" * 512, ".js").compressed is not None


def test_a_file_that_no_browser_was_promised_is_refused():
    with pytest.raises(KeyError):
        Asset.of(b"", ".exe")


def test_all_of_it_is_small():
    assets = load_assets().by_path.values()
    # With a library of charts it would be some 500 kB and more: docs/decisions/0014-dashboard.md.
    assert sum(len(asset.compressed or asset.body) for asset in assets) < 100_000
