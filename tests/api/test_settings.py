"""Flags win over the environment, the environment over defaults, and mistakes are one line."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.cli import main
from server.errors import ConfigError
from server.settings import EngineSettings, ServerSettings, load


def test_a_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(ServerSettings, {}).port == 8000
    monkeypatch.setenv("RHUMB_PORT", "1234")
    assert load(ServerSettings, {"port": None}).port == 1234
    assert load(ServerSettings, {"port": 99}).port == 99


def test_lists_come_by_repetition_or_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(ServerSettings, {"api_keys": ["a", "b"]}).api_keys == ("a", "b")
    monkeypatch.setenv("RHUMB_API_KEYS", "c, d,")
    assert load(ServerSettings, {}).api_keys == ("c", "d")
    monkeypatch.setenv("RHUMB_VARIANTS", "full,duo")
    assert load(EngineSettings, {}).variants == ("full", "duo")


def test_keys_of_a_file_join_the_others(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# ours\nfirst\n\n second \n")
    assert load(ServerSettings, {"api_keys": ["zero"], "api_key_file": path}).all_api_keys() == (
        "zero",
        "first",
        "second",
    )
    path.write_text("# none\n")
    with pytest.raises(ConfigError, match="holds no key"):
        load(ServerSettings, {"api_key_file": path}).all_api_keys()
    with pytest.raises(ConfigError, match="cannot read --api-key-file"):
        load(ServerSettings, {"api_key_file": tmp_path / "absent"}).all_api_keys()


def test_every_engine_setting_reaches_the_engine() -> None:
    flags = {"model": "m", "max_rows": 3, "page_size": 8, "overlap": True, "engine_seed": 7, "variants": ["full"]}
    config = load(EngineSettings, flags).to_config()
    assert (config.model, config.max_rows, config.page_size, config.overlap, config.seed) == ("m", 3, 8, True, 7)
    assert config.variants == ("full",)


def test_without_a_model_the_embedded_one_is_served() -> None:
    config = load(EngineSettings, {}).to_config()
    assert config.served_name == "rhumb-tiny"
    assert "assets" in config.model


def test_the_embedded_model_is_served_with_its_variants_unless_others_are_asked_for() -> None:
    assert load(EngineSettings, {}).to_served_config().variants == ("full", "duo", "duo25=duo(sparsity=0.75)")
    assert load(EngineSettings, {"variants": ["full"]}).to_served_config().variants == ("full",)
    assert load(EngineSettings, {"model": "m"}).to_served_config().variants == ("full",)


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Puts the process's logging back as it was: `serve` sets it up for a process of its own."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("own_logging")
@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["serve", "--port", "99999"], "--port (or RHUMB_PORT)"),
        (["serve", "--prot", "1"], "--prot"),
        (["serve", "--dtype", "int3"], "--dtype"),
        (["serve", "--max-rows", "0"], "max_rows must be at least 1"),
        (["serve", "--tls-cert", "x.pem"], "--tls-key"),
        (["serve", "--host", "203.0.113.7"], "cannot listen on 203.0.113.7"),
        (["nonsense"], "nonsense"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], part: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["rhumb", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        main()
    assert exit_info.value.code == 2
    message = capsys.readouterr().err
    assert part in message
    lines = [line for line in message.splitlines() if line.startswith("rhumb: ")]
    assert len(lines) == 1
    assert "Traceback" not in message


@pytest.mark.parametrize(
    ("text", "num_bytes"),
    [("40GiB", 40 * 2**30), ("1.5 MB", 1_500_000), ("512m", 512_000_000), ("70000", 70000), ("8kib", 8192), ("9B", 9)],
)
def test_memory_is_given_in_bytes_or_with_a_unit(text: str, num_bytes: int) -> None:
    assert load(EngineSettings, {"kv_memory": text}).to_config().kv_memory_bytes == num_bytes


@pytest.mark.parametrize("text", ["", "much", "40 GiBs", "-1", "0", "1e9"])
def test_memory_that_cannot_be_read_names_the_flag_and_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--kv-memory \(or RHUMB_KV_MEMORY\)"):
        load(EngineSettings, {"kv_memory": text})
