import itertools
import os
from pathlib import Path

import pytest

from kensho_tui.config.environment import differing, digests
from kensho_tui.config.paths import MAX_SOCKET_PATH, find_paths
from kensho_tui.config.settings import Settings, load_settings
from kensho_tui.core.errors import KenshoError


def test_kensho_home_holds_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENSHO_HOME", str(tmp_path))
    paths = find_paths().ensure()
    for path in (paths.settings, paths.database, paths.models, paths.lock, paths.cache, paths.logs):
        assert path.is_relative_to(tmp_path)
    assert (paths.data.stat().st_mode & 0o777, paths.runtime.stat().st_mode & 0o777) == (0o700, 0o700)


def test_a_long_home_still_has_a_short_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENSHO_HOME", str(tmp_path / ("d" * 90) / ("e" * 90)))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
    (tmp_path / "r").mkdir()
    assert len(os.fsencode(find_paths().socket)) <= MAX_SOCKET_PATH
    long = tmp_path / ("r" * 90)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    assert len(os.fsencode(find_paths().socket)) <= MAX_SOCKET_PATH


def test_two_homes_have_two_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KENSHO_HOME", str(tmp_path / "a"))
    first = find_paths().socket
    monkeypatch.setenv("KENSHO_HOME", str(tmp_path / "b"))
    assert find_paths().socket != first


def test_without_kensho_home_xdg_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KENSHO_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    paths = find_paths()
    assert paths.database == tmp_path / "data" / "kensho-tui" / "kensho.db"
    assert paths.settings == tmp_path / "config" / "kensho-tui" / "settings.toml"


def test_a_home_that_is_a_file_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    monkeypatch.setenv("KENSHO_HOME", str(tmp_path / "file"))
    with pytest.raises(KenshoError, match="cannot be used"):
        find_paths().ensure()


def test_a_runtime_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KENSHO_HOME", str(tmp_path))
    paths = find_paths()
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    with pytest.raises(KenshoError, match="belongs to somebody else"):
        paths.ensure()


def test_no_settings_file_means_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "settings.toml") == (Settings(), ())


def test_good_settings_count_and_bad_ones_are_named(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('linger = 0\ntheme = 7\ncolour = "red"\n[keys]\nnew = "f6"\n', encoding="utf-8")
    settings, problems = load_settings(file)
    assert (settings.linger, settings.theme, settings.keys) == (0, "kensho-dark", {"new": "f6"})
    assert len(problems) == 2
    assert any("theme" in problem for problem in problems)
    assert any("'colour'" in problem for problem in problems)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sample_days = -3", "sample_days must be a number from 0 to 3,650; the default is used"),
        ("downloads = 1.5", "downloads must be a whole number from 1 to 16; the default is used"),
        ("prefetch = 1", "prefetch must be true or false; the default is used"),
        ("kv_type = 'f32'", 'kv_type must be "f16", "q4_0" or "q8_0"; the default is used'),
        ("theme = 7", 'theme must be text in quotes, as "text"; the default is used'),
        ("model_folders = [1]", 'model_folders must be a list of texts, as ["one", "another"]; the default'),
        ("[keys]\nnew = 6", 'keys must be a table of texts, each as name = "text"; the default is used'),
    ],
)
def test_what_a_setting_must_be_is_said_plainly(tmp_path: Path, line: str, words: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(line, encoding="utf-8")
    [problem] = load_settings(file)[1]
    assert f"settings.toml: {words}" in problem


def test_drawing_is_one_of_two(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('drawing = "plain"\n', encoding="utf-8")
    assert load_settings(file) == (Settings(drawing="plain"), ())
    file.write_text('drawing = "fast"\n', encoding="utf-8")
    settings, problems = load_settings(file)
    assert settings.drawing == "differ" and "drawing" in problems[0]


def test_settings_of_models(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    assert Settings().context == 32768 and Settings().find_models and Settings().model_folders == ()
    file.write_text(
        'model_folders = ["~/a", "/b"]\nfind_models = false\nmemory_limit = 0.35\nkv_type = "q8_0"\n'
        'gpu_layers = 12\nkv_files = 0\nwhen_short = "fail"\nprefetch = false\ncontext = 0\n',
        encoding="utf-8",
    )
    wanted = Settings(
        model_folders=("~/a", "/b"),
        find_models=False,
        memory_limit=0.35,
        kv_type="q8_0",
        gpu_layers=12,
        kv_files=0,
        when_short="fail",
        prefetch=False,
        context=0,
    )
    assert load_settings(file) == (wanted, ())


@pytest.mark.parametrize(
    "line",
    [
        "model_folders = '~/a'",
        "model_folders = [1]",
        "memory_limit = -1",
        "memory_limit = nan",
        "kv_files = inf",
        "kv_type = 'f32'",
        "gpu_layers = -2",
        "when_short = 'guess'",
        "prefetch = 1",
        "context = -1",
    ],
)
def test_settings_of_models_that_cannot_be(tmp_path: Path, line: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(line, encoding="utf-8")
    settings, problems = load_settings(file)
    assert settings == Settings() and len(problems) == 1 and line.partition(" ")[0] in problems[0]


@pytest.mark.parametrize("content", [b"linger = ", b"\xff\xfe", b"linger = -1"])
def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(content)
    settings, problems = load_settings(file)
    assert settings == Settings() and len(problems) == 1 and str(file) in problems[0]


def test_every_setting_is_documented() -> None:
    import ast
    import inspect

    from kensho_tui.config import settings as module

    body = next(
        node
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ClassDef) and node.name == "Settings"
    ).body
    for node, following in itertools.pairwise(body):
        if isinstance(node, ast.AnnAssign):
            assert isinstance(following, ast.Expr), f"{ast.unparse(node)} has no docstring"


def test_environment_values_never_leave_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    mine = digests()
    assert "hf_secret" not in str(mine)
    assert differing(mine, {**mine, "HF_TOKEN": "other"}) == ("HF_TOKEN",)
    assert differing(mine, mine) == ()


def test_the_readme_lists_every_setting_with_its_default() -> None:
    import tomllib

    import msgspec

    readme = Path(__file__).parents[2] / "README.md"
    block = (
        readme.read_text(encoding="utf-8")
        .partition("## Settings")[2]
        .partition("```toml")[2]
        .partition("```")[0]
    )
    told = tomllib.loads(block)
    assert msgspec.convert(told, Settings) == Settings()
    assert set(told) == set(Settings.__struct_fields__)
