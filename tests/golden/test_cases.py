"""Every golden case, through the real thing."""

import pytest

from .cases import Case, cases_folder, load_cases, other_cases_named
from .expected import room_for
from .product import open_world
from .run_exhaust import run_exhaust
from .run_http import run_api, run_certificates_http
from .run_line import run_line_or_rule


def _parameter(case: Case) -> object:
    marks: list[pytest.MarkDecorator] = []
    if case.kind == "fact":
        marks.append(pytest.mark.skip(reason=f"fact: {case.recorded.get('why') or 'listed, not run'}"))
    elif not other_cases_named():
        room = room_for(case)
        if room is not None:
            marks.append(pytest.mark.xfail(reason=f"room to be built: {room}", strict=True))
    return pytest.param(case, id=case.id, marks=marks)


@pytest.mark.parametrize("case", [_parameter(case) for case in load_cases(cases_folder())])
def test_a_golden_case_holds(case: Case) -> None:
    if case.folder == "exhaust":
        run_exhaust(case, open_world)
    elif case.kind == "http" and case.folder == "api":
        run_api(case, open_world)
    elif case.kind == "http":
        run_certificates_http(case, open_world)
    elif case.kind in {"line", "rule"}:
        run_line_or_rule(case, open_world)
    else:
        raise AssertionError(f"the runner does not know the kind {case.kind!r}")
