from __future__ import annotations

import json
from pathlib import Path

from lernline.model import Changes, Enrolment
from lernline.people.service import ask_for_certificates
from lernline.wiring import Line
from support.terminal import Terminal
from support.worlds import BATCH, COURSE, NOW, key_of, know, set_up


def certified(line: Line, userid: str = "u1") -> str:
    set_up(line, templates=True)
    line.store.commit(Changes(enrolments=[Enrolment(userid, COURSE, BATCH, status=2, enrolled_date=NOW)]))
    with line.store.writing() as connection:
        connection.exec_driver_sql("UPDATE user_enrolments SET completedon = ?", (NOW,))
    know(line, [userid])
    ask_for_certificates(line.store, line.clock, [userid], "test")
    line.drain()
    return line.store.credentials([key_of(userid)])[key_of(userid)][0].id


def test_a_certificate_is_taken_out_drawn_and_verified(lernline: Terminal, opened: Line, tmp_path: Path) -> None:
    identifier = certified(opened)
    credential, picture = tmp_path / "c.json", tmp_path / "c.svg"
    assert lernline("certificate", identifier, "--out", credential, "--svg", picture).code == 0
    assert "Asha u1" in picture.read_text()
    assert "data:image/" in picture.read_text()
    outcome = lernline("verify", credential)
    assert outcome.code == 0
    assert outcome.out.endswith("c.json is valid.\n")
    assert lernline("verify", credential, "--json").json["issuerKnown"] is True


def test_a_picture_does_not_show_the_learner_s_id_even_to_a_template_that_asks(
    lernline: Terminal, opened: Line, tmp_path: Path
) -> None:
    drawing, picture = tmp_path / "t.svg", tmp_path / "c.svg"
    drawing.write_text('<svg xmlns="http://www.w3.org/2000/svg"><text>[${recipientId}|${recipientName}]</text></svg>')
    lernline("certificate", certified(opened), "--svg", picture, "--template", drawing)
    assert "[|Asha u1]" in picture.read_text()


def test_a_changed_certificate_does_not_verify(lernline: Terminal, opened: Line, tmp_path: Path) -> None:
    document = json.loads(lernline("certificate", certified(opened)).out)
    document["name"] = "Better"
    (tmp_path / "c.json").write_text(json.dumps(document))
    outcome = lernline("verify", tmp_path / "c.json")
    assert outcome.code == 1
    assert "NOT valid" in outcome.out


def test_a_certificate_still_verifies_after_its_key_was_retired(
    lernline: Terminal, opened: Line, tmp_path: Path
) -> None:
    older, newer = tmp_path / "older.json", tmp_path / "newer.json"
    lernline("certificate", certified(opened, "u1"), "--out", older)
    assert "key-2.pem signs" in lernline("rotate-key").out
    line = Line(opened.settings)
    lernline("certificate", certified(line, "u2"), "--out", newer)
    line.close()
    assert json.loads(older.read_text())["issuer"]["id"] != json.loads(newer.read_text())["issuer"]["id"]
    for path in (older, newer):
        outcome = lernline("verify", path, "--json")
        assert (outcome.code, outcome.json["issuerKnown"]) == (0, True)


def test_a_certificate_is_verified_where_nothing_is_known_of_the_issuer(
    lernline: Terminal, opened: Line, tmp_path: Path
) -> None:
    (tmp_path / "c.json").write_text(lernline("certificate", certified(opened)).out)
    elsewhere = tmp_path / "elsewhere"
    outcome = lernline.bare("verify", tmp_path / "c.json", "--data", elsewhere, "--json")
    assert outcome.code == 0
    assert outcome.json["issuerKnown"] is False
    assert not elsewhere.exists()


def test_a_certificate_that_does_not_exist_is_named(lernline: Terminal) -> None:
    outcome = lernline("certificate", "abc")
    assert outcome.code == 1
    assert "no certificate abc" in outcome.err


def test_a_drawing_that_is_no_svg_is_refused(lernline: Terminal, opened: Line, tmp_path: Path) -> None:
    identifier = certified(opened)
    (tmp_path / "t.svg").write_text("<html>")
    outcome = lernline("certificate", identifier, "--svg", tmp_path / "c.svg", "--template", tmp_path / "t.svg")
    assert outcome.code == 1
    assert not (tmp_path / "c.svg").exists()
