import json
from pathlib import Path

import pytest

from lernline.errors import BadRequest
from lernline.people.profile import PROFILE_FIELDS, UserProfile, profile_of, read_users


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def users_of(path: Path) -> list[UserProfile]:
    return [user for chunk in read_users(path, unknown=lambda *_: None) for user in chunk]


def test_users_are_read_from_csv_with_the_names_of_the_user_cache(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "users.csv",
        b"\xef\xbb\xbfUserId,firstname,lastname,state,board,email\r\n"
        b'u1,Mathew,Pallan,"Kerala ","[""State (Kerala)""]",m@example.org\r\n'
        b"\r\n"
        b"u2,Krishna,,,IGOT-Health,\r\n",
    )
    assert users_of(path) == [
        UserProfile(
            userid="u1",
            firstname="Mathew",
            lastname="Pallan",
            state="Kerala",
            board='["State (Kerala)"]',
            email="m@example.org",
        ),
        UserProfile(userid="u2", firstname="Krishna", board="IGOT-Health"),
    ]


def test_users_are_read_from_json_lines_and_lists_stay_json_text(tmp_path: Path) -> None:
    lines = [{"userid": "u1", "board": ["CBSE"], "district": None, "grade": "[]"}, {"UserID": "u2", "phone": 99}]
    path = write(tmp_path, "users.jsonl", "\n\n".join(map(json.dumps, lines)) + "\n")
    assert users_of(path) == [
        UserProfile(userid="u1", board='["CBSE"]', grade="[]"),
        UserProfile(userid="u2", phone="99"),
    ]


@pytest.mark.parametrize("suffix", [".csv", ".ndjson"])
def test_columns_that_the_cache_does_not_have_are_ignored_and_told_once(tmp_path: Path, suffix: str) -> None:
    content = (
        "userid,shoe\n1,44\n2,45\n" if suffix == ".csv" else '{"userid":"1","shoe":44}\n{"userid":"2","shoe":45}\n'
    )
    told: list[tuple[str, ...]] = []
    path = write(tmp_path, "users" + suffix, content)
    chunks = list(read_users(path, chunk_rows=1, unknown=lambda _, names: told.append(names)))
    assert [[user.userid for user in chunk] for chunk in chunks] == [["1"], ["2"]]
    assert told == [("shoe",)]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("users.csv", "", "line 1: there is no header"),
        ("users.csv", "firstname\nx\n", "line 1, column 'userid': the header does not name it"),
        ("users.csv", "userid,state,state\n", "line 1, column 'state': the header names it twice"),
        ("users.csv", "userid,state\nu1,x\n ,y\n", "line 3, column 'userid': the value is missing"),
        ("users.csv", "userid,state\nu1\n", "line 2, column 'state': the line has 1 fields"),
        ("users.csv", 'userid,state\nu1,"x\n', "line 2: the line is not CSV"),
        ("users.csv", b"userid\nu1\n\xff\n", "line 3: the line is not UTF-8"),
        ("users.jsonl", '{"userid": "u1"}\nnope\n', "line 2: the line is not a JSON object"),
        ("users.jsonl", '{"firstname": "secret"}\n', "line 1, column 'userid': the value is missing"),
        ("users.xml", "<a/>", "users come as .csv or as JSON lines"),
    ],
)
def test_a_broken_file_is_refused_naming_line_and_field(
    tmp_path: Path, name: str, content: str | bytes, says: str
) -> None:
    with pytest.raises(BadRequest) as refusal:
        users_of(write(tmp_path, name, content))
    assert refusal.value.message.startswith(name)
    assert says in refusal.value.message
    assert "secret" not in refusal.value.message


def test_a_profile_does_not_show_personal_data_when_it_is_printed() -> None:
    profile = profile_of([("userid", "u1"), ("firstname", "Mary"), ("email", "m@example.org"), ("shoe", 44)])
    assert "Mary" not in repr(profile)
    assert "example.org" not in f"{profile}"
    assert "u1" in repr(profile)


def test_a_profile_has_every_field_that_reports_read() -> None:
    progress = {"state", "district", "orgname", "schooludisecode", "schoolname", "block", "cluster", "usertype"}
    user_info = {"firstname", "lastname", "email", "phone", "usersubtype", "board"}
    assert set(PROFILE_FIELDS) >= progress | user_info | {"userid", "rootorgid", "usersignintype", "framework"}
