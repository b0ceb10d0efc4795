from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lernline.catalog.relations import AssessmentKinds, derive, from_relation_sets, to_relation_sets, units_map
from lernline.catalog.tree import COLLECTION_TYPE, parse_hierarchy

# The machine may be busy: no example is judged by its time.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

OPTIONAL = {"relationalMetadata": {"optional": True}}


def unit(identifier: str, *children: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"identifier": identifier, "mimeType": COLLECTION_TYPE, "children": list(children), **fields}


def leaf(identifier: str, **fields: Any) -> dict[str, Any]:
    return {"identifier": identifier, "mimeType": "application/pdf", **fields}


@st.composite
def courses(draw: st.DrawFn) -> dict[str, Any]:
    """Trees of up to four levels whose leaves are shared between units, any node flagged optional."""
    counter = iter(range(10_000))

    def flag() -> dict[str, Any]:
        return {"relationalMetadata": {"optional": draw(st.sampled_from([True, False, "true", "false"]))}}

    def grow(level: int) -> dict[str, Any]:
        leaves = draw(st.lists(st.integers(0, 5), max_size=4, unique=True))
        units = draw(st.integers(0, 2)) if level < 3 else 0
        children = [leaf(f"x{n}", **flag()) for n in leaves] + [grow(level + 1) for _ in range(units)]
        return unit(f"u{next(counter)}", *draw(st.permutations(children)), **flag())

    return grow(0)


def paths(node: dict[str, Any], above: tuple[dict[str, Any], ...] = ()) -> Iterator[tuple[dict[str, Any], ...]]:
    """Every way from the root to a leaf, as the naive reader would list it."""
    here = (*above, node)
    if "children" not in node:
        yield here
    for child in node.get("children", ()):
        yield from paths(child, here)


def flagged(node: dict[str, Any]) -> bool:
    return node.get("relationalMetadata", {}).get("optional") in (True, "true")


@unhurried
@given(courses())
def test_relations_agree_with_an_enumeration_of_every_path(course: dict[str, Any]) -> None:
    relations = derive(parse_hierarchy(course))
    leaves: dict[str, list[str]] = {}
    required: dict[str, set[str]] = {}
    ancestors: dict[str, set[str]] = {}
    for path in paths(course):
        *collections, content = path
        for depth, collection in enumerate(collections):
            name = collection["identifier"]
            leaves.setdefault(name, []).append(content["identifier"])
            ancestors.setdefault(content["identifier"], set()).add(name)
            if not any(flagged(node) for node in path[depth + 1 :]):
                required.setdefault(name, set()).add(content["identifier"])
    root = course["identifier"]
    assert relations.leaves == tuple(dict.fromkeys(leaves.get(root, [])))
    assert relations.required == required.get(root, set())
    assert {leaf: set(above) for leaf, above in relations.ancestors.items()} == ancestors
    assert all(above[0] == root for above in relations.ancestors.values())
    for name, found in relations.units.items():
        assert found.leaves == tuple(dict.fromkeys(leaves.get(name, [])))
        assert found.required == required.get(name, set())


@unhurried
@given(courses())
def test_a_relation_cache_gives_the_same_judgement_back(course: dict[str, Any]) -> None:
    relations = derive(parse_hierarchy(course))
    sets = to_relation_sets(relations)
    assert all(sets.values())
    back = from_relation_sets(course["identifier"], sets)
    assert set(back.leaves) == set(relations.leaves)
    assert back.required == relations.required
    assert {leaf: set(above) for leaf, above in back.ancestors.items()} == {
        leaf: set(above) for leaf, above in relations.ancestors.items()
    }
    for name, found in relations.units.items():
        if found.leaves:
            assert back.units[name].required == found.required
    assert to_relation_sets(back).keys() == sets.keys()


@unhurried
@given(courses())
def test_the_version_changes_exactly_when_the_relations_do(course: dict[str, Any]) -> None:
    first = derive(parse_hierarchy(course))
    assert derive(parse_hierarchy(course)).version == first.version
    course["children"].append(leaf("another"))
    assert derive(parse_hierarchy(course)).version != first.version


def test_a_leaf_optional_in_one_unit_and_required_in_another_is_required_for_the_course() -> None:
    relations = derive(parse_hierarchy(unit("c", unit("u1", leaf("x", **OPTIONAL)), unit("u2", leaf("x")))))
    assert relations.required == {"x"}
    assert relations.units["u1"].required == frozenset()
    assert relations.units["u2"].required == {"x"}


def test_an_optional_unit_makes_its_leaves_optional_for_the_course_but_not_for_itself() -> None:
    relations = derive(parse_hierarchy(unit("c", unit("u", leaf("x"), **OPTIONAL), leaf("y"))))
    assert relations.required == {"y"}
    assert relations.units["u"].required == {"x"}


def test_the_flag_on_the_course_itself_says_nothing() -> None:
    assert derive(parse_hierarchy(unit("c", leaf("x"), **OPTIONAL))).required == {"x"}


def test_optionalnodes_lists_optional_leaves_and_the_topmost_flagged_units() -> None:
    course = unit(
        "c", unit("u", unit("v", leaf("x"), **OPTIONAL), leaf("y", **OPTIONAL)), unit("w", unit("z"), **OPTIONAL)
    )
    sets = to_relation_sets(derive(parse_hierarchy(course)))
    assert sets == {
        "c:c:leafnodes": ["x", "y"],
        "c:c:optionalnodes": ["x", "y", "v", "w"],
        "c:u:leafnodes": ["x", "y"],
        "c:u:optionalnodes": ["x", "y", "v"],
        "c:v:leafnodes": ["x"],
        "c:x:ancestors": ["c", "u", "v"],
        "c:y:ancestors": ["c", "u"],
    }


def test_a_stored_leaf_array_is_believed_and_its_strangers_are_required() -> None:
    relations = derive(parse_hierarchy(unit("c", unit("u", leaf("x", **OPTIONAL), leaf("y")), leafNodes=["s", "x"])))
    assert relations.leaves == ("x", "s")
    assert relations.required == {"s"}
    assert relations.units["u"].leaves == ("x", "y")
    assert relations.ancestors["s"] == ("c",)
    assert relations.ancestors["y"] == ("c", "u")


def test_collections_come_in_tree_order_and_assessments_by_first_appearance() -> None:
    course = unit(
        "c",
        unit("u2", unit("u21", leaf("q2", contentType="SelfAssess", name="Two")), name="Second"),
        unit(
            "u1",
            leaf("q1", objectType="QuestionSet", primaryCategory="Practice Question Set"),
            leaf("q3", objectType="QuestionSet"),
        ),
        leaf("q2", contentType="SelfAssess", name="Two"),
    )
    relations = derive(parse_hierarchy(course))
    assert [(each.identifier, each.name, each.level) for each in relations.collections] == [
        ("u2", "Second", 1),
        ("u21", "", 2),
        ("u1", "", 1),
    ]
    assert [each.identifier for each in relations.assessments] == ["q2", "q1"]
    exams = AssessmentKinds(content_types=frozenset(), primary_categories=frozenset({""}))
    assert [each.identifier for each in derive(parse_hierarchy(course), exams).assessments] == ["q3"]


def test_the_questions_of_a_question_set_are_no_lessons() -> None:
    questions = {"mimeType": "application/vnd.sunbird.questionset", "children": [leaf("q1"), leaf("q2")]}
    relations = derive(parse_hierarchy(unit("c", leaf("set") | questions)))
    assert relations.leaves == ("set",)
    assert set(relations.ancestors) == {"set"}


def test_a_cache_of_the_older_job_is_believed_as_it_stands() -> None:
    relations = from_relation_sets(
        "c",
        {
            "c:c:leafnodes": ["b", "a", "d"],
            "c:c:optionalnodes": ["d", "u"],
            "c:u:leafnodes": ["d"],
            "c:d:ancestors": ["u", "c"],
            "other:other:leafnodes": ["z"],
            "c:c:unknown": ["z"],
        },
    )
    assert relations.leaves == ("a", "b", "d")
    assert relations.required == {"a", "b"}
    assert relations.units["u"].required == {"d"}
    assert relations.ancestors == {"d": ("c", "u")}
    assert relations.optional_units == ("u",)


def test_the_units_map_names_units_with_children() -> None:
    course = unit(
        "c",
        unit("u", leaf("x"), visibility="Parent"),
        unit("empty", visibility="Parent"),
        unit("course", leaf("y"), visibility="Default"),
    )
    assert units_map(parse_hierarchy(course)) == ("u",)


def test_relations_survive_a_round_trip_through_json() -> None:
    relations = derive(parse_hierarchy(unit("c", unit("u", leaf("x")))))
    assert msgspec.json.decode(msgspec.json.encode(relations), type=type(relations)) == relations
