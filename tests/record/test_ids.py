import msgspec
import pytest

from lernline.errors import BadRequest
from lernline.record.progress_events import read_update
from lernline.record.update_rules import LessonItem, Sender, UpdateRequest, parse_update
from lernline.stream.port import Record
from lernline.stream.topics import PROGRESS_UPDATE


def test_an_id_with_a_nul_is_refused_over_http() -> None:
    item = LessonItem(contentId="do_1\0x", courseId="c", batchId="b", status=1)
    with pytest.raises(BadRequest, match="NUL"):
        parse_update(UpdateRequest(contents=[item]), Sender("u"), now_ms=1, skew_ms=0)


@pytest.mark.parametrize("field", ["userId", "courseId", "batchId", "contentId"])
def test_an_id_with_a_nul_in_an_event_is_refused_by_name(field: str) -> None:
    ids = {"userId": "u", "courseId": "c", "batchId": "b", "contentId": "l"} | {field: "a\0b"}
    contents = [{"contentId": ids.pop("contentId"), "status": 1}]
    value = msgspec.json.encode({"edata": {"action": "batch-enrolment-update", "contents": contents, **ids}})
    with pytest.raises(BadRequest, match=field):
        read_update(Record(PROGRESS_UPDATE, "u", value, 1, 1, {}))
