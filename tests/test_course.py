"""The course of a reply: what is kept of it tells all that came, at every moment."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_proxy.core.folding import collect
from llm_proxy.core.reply import (
    Annotations,
    Finish,
    ReasoningDelta,
    Said,
    TextDelta,
    TextRun,
    ToolCallDelta,
)
from llm_proxy.core.runs import singly
from llm_proxy.journal import timeline
from llm_proxy.journal.folded import folded
from llm_proxy.records.course import Course, SoFar
from tests.builders import course_of

CHOICES = st.sampled_from([0, 0, 0, 1])
PIECES = st.sampled_from(["a ", "bc", "def"])
ANY_EVENT = st.one_of(
    st.builds(TextDelta, PIECES, CHOICES),
    st.builds(TextRun, st.lists(PIECES, min_size=1, max_size=3).map(tuple), CHOICES),
    st.builds(ReasoningDelta, PIECES, CHOICES),
    st.builds(ToolCallDelta, st.just(0), choice=CHOICES),
    st.builds(Annotations, st.just(("x",)), CHOICES),
    st.builds(Finish, choice=CHOICES),
)
# Most replies are of one kind: without these hardly any would be.
EVENTS = st.one_of(
    st.lists(ANY_EVENT, max_size=8),
    st.lists(st.builds(TextDelta, PIECES)),
    st.lists(st.builds(TextRun, st.lists(PIECES, min_size=1).map(tuple))),
)


def each(so_far: SoFar) -> list[tuple[str, int]]:
    """The kind and the length of each piece, from what is kept."""
    line = timeline.read(timeline.kept(so_far, 0.0))
    return [(one.kind, one.characters) for one in line]


def told(events: list[Said | TextRun]) -> list[tuple[str, int]]:
    """The same from the events alone: a reply of which nothing is one text is kept as it came."""
    alone = course_of([ReasoningDelta(""), *events])
    return each(alone.so_far())[1:]


@given(EVENTS, st.booleans())
def test_what_is_kept_tells_what_came_and_when(
    events: list[Said | TextRun], finished: bool
) -> None:
    events = [*events, Finish()] if finished else events
    so_far = course_of(events).so_far()
    assert each(so_far) == told(events)
    assert list(so_far.moments) == [float(number) for number in range(len(events))]
    assert so_far.pieces == len(list(singly(events)))
    assert [one.text for one in folded(None, so_far)] == [
        choice.text for choice in collect(events).choices
    ]


@given(EVENTS)
def test_what_is_kept_meanwhile_is_what_has_come_by_then(events: list[Said | TextRun]) -> None:
    course = course_of(())
    for number, event in enumerate(events):
        course.came(event, float(number))
        assert course.so_far() == course_of(events[: number + 1]).so_far()


class Interrupted(list[object]):
    """A list that runs something as soon as a thing is added to it: another thread comes here."""

    def __init__(self, course: Course) -> None:
        super().__init__()
        self.course = course
        self.seen: list[SoFar] = []

    def append(self, one: object) -> None:
        super().append(one)
        self.seen.append(self.course.so_far())


@pytest.mark.parametrize("name", ["_texts", "_events"])
def test_what_is_just_coming_is_not_there(name: str) -> None:
    course = course_of([TextDelta("a")])
    interrupted = Interrupted(course)
    interrupted.extend(getattr(course, name))
    setattr(course, name, interrupted)
    course.came(TextDelta("b") if name == "_texts" else Finish(), 1.0)
    assert interrupted.seen == [course_of([TextDelta("a")]).so_far()]


class Late(array):  # type: ignore[type-arg] # which cannot be given here
    """Counts that more comes behind as soon as somebody has asked how many there are."""

    course: Course | None = None

    def __len__(self) -> int:
        length, course = super().__len__(), self.course
        if course is not None:
            self.course = None
            course.came(TextDelta("late"), 1.0)
            course.came(Finish(), 2.0)
        return length


def test_what_comes_meanwhile_is_not_there() -> None:
    course = course_of([TextDelta("a")])
    late = Late("I", course._counts)
    course._counts, late.course = late, course
    assert course.so_far() == course_of([TextDelta("a")]).so_far()


def test_nothing_is_held_on_to_that_is_not_to_be_kept() -> None:
    course = Course()
    for event in (TextDelta("a"), TextRun(("b", "c")), ReasoningDelta("d"), Finish()):
        course.came(event, 1.0)
    so_far = course.so_far()
    assert (so_far.texts, so_far.events) == ([], [])
    assert (list(course.moments), course.together) == ([1.0, 1.0, 1.0], 1)


@pytest.mark.parametrize(
    ("events", "moments"),
    [
        ([], []),
        ([Finish()], []),
        ([TextDelta("a"), TextRun(("b", "c")), Finish()], [0.0, 1.0]),
        ([TextDelta("a"), Finish(), TextDelta("b", 1), Finish(choice=1)], [0.0, 2.0]),
    ],
)
def test_the_moments_are_those_of_pieces(
    events: list[Said | TextRun], moments: list[float]
) -> None:
    assert list(course_of(events).moments) == moments
