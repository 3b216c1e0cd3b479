"""The entry points of adapters: how a source's vendor is found."""

from pathlib import Path

import pytest

from tracegraph.adapter.registry import entry_of


def test_a_vendor_has_its_entry_point_and_an_unknown_one_none() -> None:
    entry = entry_of("nemo")
    assert entry is not None
    assert entry.module == "tracegraph_nemo"
    assert entry_of("nobody") is None


def test_an_adapter_that_is_installed_while_the_process_runs_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload of the configuration may name it."""
    assert entry_of("installed_later") is None
    info = tmp_path / "tracegraph_installed_later-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tracegraph-installed-later\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[tracegraph.adapters]\ninstalled_later = later:open_adapter\n")
    monkeypatch.syspath_prepend(tmp_path)
    entry = entry_of("installed_later")
    assert entry is not None
    assert entry.value == "later:open_adapter"
