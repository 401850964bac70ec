"""The benchmarks: their arithmetic, and that they still run."""

import json
import os
import time
from pathlib import Path

import pytest

from bench import contenders, machine, report
from bench.goals import GOALS, OURS, Goal, Verdict, verdict, verdicts
from bench.load import Stream, load, streams
from bench.processes import Server
from bench.results import Results, percentile
from bench.run import ANY_REQUEST, Run, contest, named
from bench.scenarios import SCENARIOS, json_reply
from bench.timing import TimingError, delays_ms, event_times, lateness_ms, stretch
from bench.wire import Answer
from tests.servers import running_gunicorn

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def short_run() -> Run:
    return Run(
        cores=machine.cores(),
        rounds=2,
        block_seconds=0.02,
        scale=0.01,
        quick=False,
        deadline=time.monotonic() + 60,
    )


def compared(*pairs: tuple[float, float]) -> Results:
    results = Results()
    for ours, theirs in pairs:
        results.add("JSON reply", OURS, "µs", [ours])
        results.add("JSON reply", "peer", "µs", [theirs])
    return results


def test_a_ratio_is_the_median_of_the_ratios_in_each_round() -> None:
    results = compared((1.0, 1.0), (30.0, 10.0), (4.0, 2.0))
    assert results.value(("JSON reply", OURS), ("JSON reply", "peer")) == 2.0
    assert results.value(("JSON reply", OURS)) == 4.0


def test_where_the_rounds_differ_the_ratio_is_that_of_the_medians() -> None:
    results = compared((1.0, 1.0), (3.0, 1.0))
    results.add("JSON reply", "peer", "µs", [1.0])
    assert results.value(("JSON reply", OURS), ("JSON reply", "peer")) == 2.0


@pytest.mark.parametrize(("percent", "value"), [(1, 1), (50, 2), (75, 3), (99, 4), (100, 4)])
def test_a_percentile_is_one_of_the_values(percent: float, value: float) -> None:
    assert percentile([4, 1, 3, 2], percent) == value


@pytest.mark.parametrize(
    ("goal", "holds"),
    [
        (Goal(name="goal", figure=("JSON reply", OURS), at_most=2.0), True),
        (Goal(name="goal", figure=("JSON reply", OURS), at_most=1.9), False),
        (Goal(name="goal", figure=("JSON reply", OURS), at_least=2.0), True),
        (Goal(name="goal", figure=("JSON reply", OURS), at_least=2.1), False),
    ],
)
def test_a_goal_holds_up_to_its_bound(goal: Goal, holds: bool) -> None:
    assert verdict(goal, compared((2.0, 1.0))) == Verdict(goal=goal, measured=2.0, holds=holds)


def test_a_goal_without_a_figure_says_why() -> None:
    goal = Goal(
        name="goal", figure=("JSON reply", OURS), over=("JSON reply", "aimock"), at_most=1.0
    )
    results = compared((2.0, 1.0))
    results.skip("JSON reply", "aimock", "node not installed")
    assert verdict(goal, results) == Verdict(
        goal=goal, measured=None, holds=None, reason="node not installed"
    )


def test_every_goal_has_one_bound() -> None:
    assert [goal.name for goal in GOALS if (goal.at_most is None) == (goal.at_least is None)] == []


def test_lateness_is_counted_from_the_earliest_schedule_that_fits() -> None:
    times = [10.05, 10.02, 10.04, 10.10]  # the first one came 50 ms late
    late = lateness_ms(times, 0.02)
    assert late == pytest.approx([50, 0, 0, 40])


def test_the_whole_is_compared_with_what_it_should_have_taken() -> None:
    assert stretch([1.0, 1.5, 2.2], 0.5) == pytest.approx(1.2)


def test_an_event_has_come_when_its_last_byte_has() -> None:
    stream = Stream(
        0.0,
        [
            (1.0, HEAD + b"10\r\ndata: first\n\nda"),
            (2.0, b"ta: second\n"),
            (3.0, b"\n\r\n0\r\n\r\n"),
        ],
    )
    assert event_times(stream, 0, 2) == [1.0, 3.0]
    assert event_times(stream, 1, 1) == [3.0]
    with pytest.raises(TimingError, match="has 2 events behind 0, not 3"):
        event_times(stream, 0, 3)


def test_a_delay_is_told_by_the_text_of_the_event() -> None:
    stream = Stream(
        0.0,
        [
            (5.0, HEAD + b'data: {"id":"chatcmpl-1234567890","content":" 4998000000"}\n\n'),
            (6.0, b"data: {'data': '5990000000'}\n\ndata: [DONE]\n\n"),
        ],
    )
    assert delays_ms(stream) == pytest.approx([2.0, 10.0])


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n",
        HEAD + b"3\r\nabc\r\n0\r\n\r\n",
    ],
)
def test_an_answer_is_over_with_its_last_byte(answer: bytes) -> None:
    at_once, by_bytes = Answer(), Answer()
    assert at_once.feed(answer)
    assert [by_bytes.feed(bytes([byte])) for byte in answer] == [False] * (len(answer) - 1) + [True]
    assert at_once.status == by_bytes.status == 200


def test_the_load_client_counts_answers_and_times_streams() -> None:
    with running_gunicorn() as server:
        port = int(server.url.rpartition(":")[2])
        assert load(port, ANY_REQUEST, 2, 30.0, most=5) == 5
        [stream] = streams(port, ANY_REQUEST, 1, 30.0)
    assert stream.arrivals[0][0] > stream.asked


def test_contenders_take_turns_and_whoever_is_missing_is_named() -> None:
    run = short_run()
    absent = contenders.Contender(name="absent", command=("none",), modules=("no_such_module",))
    broken = contenders.ours(LLM_PROXY_V1="adaptor")
    bare = contenders.app("bare WSGI", "bare")

    def turn(server: Server) -> dict[str, float]:
        return {"JSON reply": json_reply.microseconds(server, ANY_REQUEST, 2, run.block_seconds)}

    contest(run, {"JSON reply": "µs"}, [bare, absent, broken], turn)
    figures, skipped = run.results.figures["JSON reply"], run.results.skipped["JSON reply"]
    assert list(figures) == ["bare WSGI"]
    assert len(figures["bare WSGI"].samples) == 2
    assert skipped["absent"] == "no_such_module not installed"
    assert "'adaptor' is not one of mock, adapter" in skipped[OURS]


def test_a_quick_run_measures_only_whom_a_goal_names() -> None:
    assert named("bare WSGI", ["JSON reply"])
    assert not named("fakellm", ["JSON reply"])


def test_a_scenario_runs_and_its_report_tells_of_every_goal() -> None:
    run = short_run()
    SCENARIOS["in-process"](run)
    found = list(verdicts(run.results))
    document = json.loads(report.document(run.results, found, {"quick": True}))
    assert document["figures"]["In process"][OURS]["unit"] == "µs"
    assert [goal["goal"]["name"] for goal in document["goals"]] == [goal.name for goal in GOALS]
    assert [line for line in report.tables(run.results) if line == "In process, µs"]
    assert list(report.goals(found))[-1].endswith("27 were not measured.")


def test_the_processor_time_of_a_process_is_that_of_its_clock() -> None:
    pid = machine.tree(os.getpid())[0]
    before = time.process_time()
    found = machine.cpu_seconds([pid])
    assert before <= found <= time.process_time()


def test_the_peers_lock_names_no_registry() -> None:
    lock = Path(contenders.PEERS, "package-lock.json").read_text()
    assert "resolved" not in lock
