from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lernline.settings import Settings
from lernline.store.sql.schema import HEAD
from support.terminal import Terminal

HEAVY = ("sqlalchemy", "pydantic", "duckdb", "pyarrow", "litestar", "cryptography", "pyld", "alembic", "httpx", "rich")


def test_help_loads_nothing_heavy() -> None:
    script = f"""
import sys
sys.argv = ["lernline", "--help"]
from lernline.cli import main
try:
    main()
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "dead-letters" in done.stdout


def test_a_wrong_option_is_wrong_usage(lernline: Terminal) -> None:
    outcome = lernline.bare("up", "--colour", "red")
    assert outcome.code == 2
    assert "--colour" in outcome.err


def test_the_version_is_told(lernline: Terminal) -> None:
    assert lernline.bare("--version").out.startswith("lernline 0.")


def test_a_wrong_value_names_the_setting_and_not_the_value(lernline: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LERNLINE_PORT", "s3cret")
    outcome = lernline("migrate")
    assert outcome.code == 1
    assert "setting port" in outcome.err
    assert "s3cret" not in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("text", ["colour=red", "time_zone", "=5"])
def test_set_takes_known_settings_with_a_value_only(lernline: Terminal, text: str) -> None:
    outcome = lernline("migrate", "--set", text)
    assert outcome.code == 1
    assert "NAME=VALUE" in outcome.err


def test_a_time_zone_that_does_not_exist_is_refused_in_words(lernline: Terminal) -> None:
    outcome = lernline("migrate", "--set", "time_zone=Mars/North")
    assert outcome.code == 1
    assert "'Mars/North' is not a time zone" in outcome.err


def test_every_setting_can_be_set_on_the_command_line() -> None:
    from lernline.commands.session import settings_from  # noqa: PLC0415

    made = settings_from(Path("x"), ["assessment_content_types=A, B", "exhaust-page-size=7"], port=1)
    assert made == Settings(data=Path("x"), assessment_content_types=("A", "B"), exhaust_page_size=7, port=1)


def test_migrate_tells_the_schema(lernline: Terminal) -> None:
    outcome = lernline("migrate")
    assert outcome.code == 0
    assert HEAD in outcome.out


def test_a_data_folder_that_cannot_be_made_is_one_sentence(lernline: Terminal, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = lernline.bare("migrate", "--data", tmp_path / "file" / "data")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
    assert "cannot be used" in outcome.err


def test_a_token_opens_the_doors_of_its_own_installation_only(lernline: Terminal, data: Path, tmp_path: Path) -> None:
    from lernline.api.tokens import TokenKeys, verify  # noqa: PLC0415
    from lernline.errors import Unauthenticated  # noqa: PLC0415

    outcome = lernline("token", "--user", "u1", "--role", "COURSE_MENTOR", "--channel", "c1")
    claims = verify(outcome.out.strip(), TokenKeys(data / "keys" / "tokens"))
    assert (claims.subject, claims.roles, claims.tenant) == ("u1", frozenset({"COURSE_MENTOR"}), "c1")
    with pytest.raises(Unauthenticated):
        verify(outcome.out.strip(), TokenKeys(tmp_path / "elsewhere"))


def test_a_token_needs_a_user(lernline: Terminal) -> None:
    assert lernline("token", "--user", "  ").code == 1
    assert lernline("token").code == 2
