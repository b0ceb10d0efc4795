import json
from typing import Any

import pytest

from lernline.catalog.deep_json import decode_deep
from lernline.catalog.relations import derive
from lernline.catalog.tree import COLLECTION_TYPE, parse_hierarchy
from lernline.errors import BadRequest


def unit(identifier: str, *children: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"identifier": identifier, "mimeType": COLLECTION_TYPE, "children": list(children), **fields}


def leaf(identifier: str, **fields: Any) -> dict[str, Any]:
    return {"identifier": identifier, "mimeType": "application/pdf", **fields}


def test_a_tree_keeps_document_order_levels_and_the_fields_that_rules_read() -> None:
    tree = parse_hierarchy(
        json.dumps(
            unit(
                "do_1",
                unit("do_2", leaf("do_3", totalQuestions=10.0), visibility="Parent"),
                leaf("do_4", relationalMetadata={"optional": "TRUE"}),
                name="Water",
                channel="in.ekstep",
                status="Live",
                leafNodes=["do_3", "do_4"],
                leafNodesCount=2,
            )
        )
    )
    assert [(node.identifier, node.level, node.parent) for node in tree.nodes] == [
        ("do_1", 0, -1),
        ("do_2", 1, 0),
        ("do_3", 2, 1),
        ("do_4", 1, 0),
    ]
    root = tree.root
    assert (root.name, root.channel, root.status, root.leaf_nodes_count) == ("Water", "in.ekstep", "Live", 2)
    assert root.leaf_nodes == ("do_3", "do_4")
    assert tree.nodes[2].total_questions == 10
    assert tree.nodes[3].optional
    assert [node.identifier for node in tree.children(root)] == ["do_2", "do_4"]


def test_a_collection_is_known_by_its_mime_type_in_any_case_or_by_its_children() -> None:
    tree = parse_hierarchy(
        {
            "identifier": "root",
            "children": [
                {"identifier": "a", "mimeType": COLLECTION_TYPE.upper()},
                {"identifier": "b"},
                {"identifier": "c", "mimeType": "application/vnd.sunbird.questionset", "children": [leaf("q")]},
            ],
        }
    )
    assert [node.is_collection for node in tree.nodes] == [True, True, False, False, False]


def test_the_same_content_may_stand_in_several_units() -> None:
    tree = parse_hierarchy(unit("c", unit("u1", leaf("x")), unit("u2", leaf("x"))))
    assert derive(tree).ancestors["x"] == ("c", "u1", "u2")


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b'{"identifier": ', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "no 'identifier' at its root"),
        ({"identifier": 5}, "must be text"),
        (unit("c", {"name": "nameless"}), "A child of node c has no 'identifier'"),
        (unit("c") | {"children": "x"}, "Node c: 'children' must be an array"),
        (unit("c") | {"children": ["x"]}, "Node c: 'children' must be an array of objects"),
        (unit("c", leaf("x", name=5)), "Node x: 'name' must be text"),
        (unit("c", leaf("x", leafNodes="y")), "Node x: 'leafNodes' must be an array"),
        (unit("c", leaf("x", relationalMetadata="yes")), "Node x: 'relationalMetadata' must be an object"),
        (unit("c", leaf("x", relationalMetadata={"optional": 1})), "Node x: 'relationalMetadata.optional'"),
        (unit("c", leaf("x", totalQuestions="many")), "Node x: 'totalQuestions' must be a number"),
        (unit("c", unit("u", unit("c"))), "Node c contains itself"),
        (unit("c", unit("u", unit("v", leaf("u")))), "Node u contains itself"),
        (unit("c", unit("u", leaf("x")), unit("v", unit("u", leaf("y")))), "Unit u occurs twice"),
        (unit("c", leaf("x"), leaf("x")), "Node c names its child x twice"),
        (unit("c", unit("u", leaf("x")), unit("x")), "Node x is a unit in one place and content in another"),
    ],
)
def test_a_tree_that_makes_no_sense_is_refused_naming_the_node(document: Any, says: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        parse_hierarchy(document)
    assert says in refusal.value.message


def test_an_object_that_holds_itself_is_refused_and_tolerated_without_hanging() -> None:
    loop: dict[str, Any] = unit("c", leaf("x"))
    loop["children"].append(loop)
    with pytest.raises(BadRequest, match="contains itself"):
        parse_hierarchy(loop)
    assert [node.identifier for node in parse_hierarchy(loop, strict=False).nodes] == ["c", "x"]


def test_a_stored_row_whose_child_repeats_the_root_keeps_the_child_for_assessments() -> None:
    row = {
        "identifier": "do_X",
        "children": [{"identifier": "do_X", "mimeType": COLLECTION_TYPE, "contentType": "SelfAssess", "name": "Quiz"}],
    }
    with pytest.raises(BadRequest, match="do_X contains itself"):
        parse_hierarchy(row)
    relations = derive(parse_hierarchy(row, strict=False))
    assert [(each.identifier, each.name) for each in relations.assessments] == [("do_X", "Quiz")]
    assert relations.collections == ()
    assert relations.leaves == ()


def test_the_key_of_a_stored_row_wins_over_its_root_and_must_agree_when_imported() -> None:
    row = unit("do_X", unit("do_X", leaf("x")))
    relations = derive(parse_hierarchy(row, strict=False, identifier="do_1"))
    assert relations.course_id == "do_1"
    assert [each.identifier for each in relations.collections] == ["do_X"]
    with pytest.raises(BadRequest, match="names 'do_X' as its root"):
        parse_hierarchy(row, identifier="do_1")


def test_a_stored_row_keeps_what_makes_sense() -> None:
    row = {
        "identifier": "c",
        "name": 7,
        "leafNodes": [1],
        "relationalMetadata": 3,
        "children": ["junk", None, {"children": [leaf("x")]}, unit("u", leaf("y"), leaf("y")), unit("u", leaf("z"))],
    }
    relations = derive(parse_hierarchy(row, strict=False))
    assert relations.leaves == ("x", "y", "z")
    assert relations.units["u"].leaves == ("y", "z")


@pytest.mark.parametrize("as_text", [False, True])
def test_a_tree_of_five_thousand_levels_is_read(as_text: bool) -> None:
    document: dict[str, Any] = leaf("bottom")
    text = json.dumps(document)
    for level in range(5_000):
        name = f"u{level}"
        document = unit(name, document)
        text = f'{{"identifier": "{name}", "mimeType": "{COLLECTION_TYPE}", "children": [{text}]}}'
    relations = derive(parse_hierarchy(text if as_text else document))
    assert relations.leaves == ("bottom",)
    assert len(relations.ancestors["bottom"]) == 5_000
    assert relations.units["u0"].level == 4_999


def test_twenty_thousand_leaves_side_by_side_are_read() -> None:
    document = unit("c", *(unit(f"u{n}", *(leaf(f"x{n}.{m}") for m in range(100))) for n in range(200)))
    relations = derive(parse_hierarchy(json.dumps(document)))
    assert len(relations.leaves) == len(relations.required) == 20_000
    assert len(relations.units) == 200


@pytest.mark.parametrize(
    "text",
    [
        "1",
        '"a\\n\\u00e9"',
        "[]",
        "{}",
        "[[], {}]",
        '{"a": [1, -2.5e3, true, false, null], "b": {"c": ""}}',
        " [ 1 , 2 ] ",
    ],
)
def test_the_deep_decoder_agrees_with_the_fast_one(text: str) -> None:
    assert decode_deep(text) == json.loads(text)


@pytest.mark.parametrize("text", ["", "[", "[1", "[1,]", "{1: 2}", '{"a"}', '{"a": 1,}', "[1] 2", "NaN", "[nul]", "]"])
def test_the_deep_decoder_refuses_what_is_no_json(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_deep(text)
