"""Who does what in the demo: the course's lessons, and how far each learner comes. Pure data."""

from __future__ import annotations

import msgspec

COURSE = "do_31300000000000001"
TEMPLATE = "do_31300000000000090"
CHANNEL = "demo-school"
MENTOR = "1a1c8f0e-0009-4000-8000-000000000009"

LESSONS = tuple(f"do_313000000000000{number}" for number in ("11", "12", "21", "23", "33"))
OPTIONAL = "do_31300000000000013"
QUIZZES = ("do_31300000000000031", "do_31300000000000032")
QUESTIONS = 5


class Learner(msgspec.Struct, frozen=True):
    """One learner's part: how many lessons they finish, and their points per self-assessment."""

    userid: str
    name: str
    lessons: int = 0
    points: tuple[int, ...] = ()
    optional: bool = False


MATHEW = Learner("1a1c8f0e-0001-4000-8000-000000000001", "Mathew Pallan", lessons=5, points=(4, 3))
KRISHNA = Learner("1a1c8f0e-0002-4000-8000-000000000002", "Krishna Jampana", lessons=2, points=(4, 2))
ANITA = Learner("1a1c8f0e-0003-4000-8000-000000000003", "Anita Rao", lessons=5, points=(5, 5), optional=True)
MEERA = Learner("1a1c8f0e-0004-4000-8000-000000000004", "Meera Nair")
RAVI = Learner("1a1c8f0e-0005-4000-8000-000000000005", "Ravi Kumar, Jr.", lessons=3, optional=True)
STRANGER = Learner("1a1c8f0e-0006-4000-8000-000000000006", "(not in the directory)", lessons=5, points=(3, 4))

LEARNERS = (MATHEW, KRISHNA, ANITA, MEERA, RAVI, STRANGER)
CERTIFIED = (MATHEW, ANITA)

# a signature of one grey pixel: what counts is that every signatory has an image
_PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGOoBwAAgQCAzCYnVAAAAABJRU5ErkJggg=="
)
CERTIFICATE = {
    "identifier": TEMPLATE,
    "criteria": {"enrollment": {"status": 2}, "assessment": {"score": {">=": 60}}},
    "issuer": {"name": "Demo School", "url": "https://school.example"},
    "signatoryList": [{"name": "Asha Menon", "id": "principal", "designation": "Principal", "image": _PIXEL}],
}
