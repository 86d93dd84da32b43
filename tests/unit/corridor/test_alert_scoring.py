"""How good alerts were, by what came of them."""

from datetime import timedelta

from corridor.alerting import incidents
from corridor.alerting.alerts import Alert
from corridor.alerting.rules import PLACES
from corridor.alerting.scoring import AlertScorer
from corridor.codes import AlertKind, AlertState, Cause
from tests.unit.corridor.journeys import HOUR, PORT, RAIL, TERMINAL, Told, at, itinerary, told
from tests.unit.corridor.test_alert_incidents import alert
from tests.unit.corridor.test_alert_places import RESOLVED, late, of_run, queue, tell

KEY = f"DELAY/RUN/RUN1/{RAIL.leg_id}"


def heard(arrives: float, opens: float | None, since: float | None = None) -> AlertScorer:
    """A train that is to arrive at 46, and one alert on it."""
    scorer = AlertScorer(since=None if since is None else at(since))
    unit = Told()
    unit.take(itinerary(RAIL), told("DEPARTED", TERMINAL, 0), told("ARRIVED", PORT, arrives))
    [last] = unit.outcomes()
    for output in unit.estimates():
        scorer.hear(output, output.as_of)
    if opens is not None:
        incident = incidents.Gathered(KEY, AlertKind.DELAY, Cause.RUN, "RUN1")
        for state, time in ((AlertState.OPEN, opens), (AlertState.RESOLVED, opens + 1)):
            word = alert(revision=int(time), state=state, as_of=at(time), leg_id=RAIL.leg_id)
            incidents.take(incident, word)
            scorer.hear_alert(incidents.message(incident, late=False), at(time))
    scorer.hear(last, last.as_of + HOUR / 2)
    return scorer


def test_a_late_run_that_was_alerted_before_is_a_hit_with_its_lead() -> None:
    delay = heard(49, 40).figures()["delay"]
    assert (delay["late"], delay["precision"], delay["recall"]) == (1, 1, 1)
    assert delay["lead_median_minutes"] == 7 * 60  # it is late from 47 on
    assert delay["recall_in_time"] == 1


def test_an_alert_after_it_was_late_is_a_hit_but_not_in_time() -> None:
    delay = heard(49, 48).figures()["delay"]
    assert (delay["recall"], delay["recall_in_time"]) == (1, 0)
    assert delay["lead_median_minutes"] == -60


def test_an_alert_on_a_run_that_came_in_time_is_a_false_one() -> None:
    delay = heard(46, 40).figures()["delay"]
    assert (delay["late"], delay["alerted"], delay["precision"]) == (0, 1, 0)


def test_a_late_run_without_an_alert_is_missed() -> None:
    delay = heard(49, None).figures()["delay"]
    assert (delay["late"], delay["alerted"], delay["recall"]) == (1, 0, 0)


def test_messages_are_counted_once_for_each_opening_and_end() -> None:
    figures = heard(49, 40).figures()
    assert figures["messages"] == {"OPENED": 1, "RESOLVED": 1}
    assert figures["incidents"] == {"DELAY": 1}
    assert figures["flap_rate"] == 0
    assert figures["naive_per_1000_shipments"] == 1000  # it becomes late once


def test_what_comes_before_counting_begins_is_not_counted() -> None:
    figures = heard(49, 40, since=400).figures()
    assert figures["messages"] == {}
    assert figures["delay"]["runs"] == 0


def test_trains_that_a_place_explains_are_no_messages_of_their_own_until_it_is_over() -> None:
    scorer = AlertScorer()
    place, said = tell(None, queue())
    for message in said:
        scorer.hear_alert(message, at(3))
    for train in (1, 2, 3):
        scorer.hear_alert(of_run(train), at(3))
    assert scorer.figures()["messages"] == {"OPENED": 1}
    incidents.pass_time(place, at(60), PLACES)
    for message in tell(place, [late(train, 60 + train, RESOLVED) for train in (1, 2)])[1]:
        scorer.hear_alert(message, at(62))
    # the second and third train still stand, as far as their own incidents were heard of
    assert scorer.figures()["messages"] == {"OPENED": 4, "RESOLVED": 1}


def test_a_cancelled_run_is_a_message_while_its_place_does_not_stand() -> None:
    unit = Told()
    unit.take(itinerary(), told("CANCELLED", TERMINAL, -5, run_id="RUN1"))
    [of_run] = [o for o in unit.out if isinstance(o, Alert) and o.parent is not None]
    incident = incidents.gathered(of_run)
    incidents.take(incident, of_run)
    scorer = AlertScorer()
    scorer.hear_alert(incidents.message(incident, late=False), at(-5))
    assert scorer.figures()["messages"] == {"OPENED": 1}


def test_what_comes_back_within_a_day_has_flapped() -> None:
    scorer = AlertScorer()
    incident = incidents.gathered(alert())
    revision = 0
    for hours in (1, 5, 60):
        for state in (AlertState.OPEN, AlertState.RESOLVED):
            revision += 1
            time = at(hours) + revision * timedelta(seconds=1)
            incidents.take(incident, alert(revision=revision, state=state, as_of=time))
            scorer.hear_alert(incidents.message(incident, late=False), time)
    assert scorer.figures()["flap_rate"] == 1 / 3
