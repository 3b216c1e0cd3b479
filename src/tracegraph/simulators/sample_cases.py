"""The subject of the sample data: test cases of a support assistant, and the results of its runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

TODAY = datetime(2026, 11, 20, tzinfo=UTC)
"""Every sample session lies in the weeks before this day."""


_PRODUCTS = (
    "the Aurora router",
    "the Pico camera",
    "the Fold keyboard",
    "the Tern e-bike",
    "the Lumen desk lamp",
    "the Basalt NAS",
    "the Quill tablet",
    "the Ember thermostat",
    "the Drift headphones",
    "the Slate monitor",
)


_QUESTIONS = (
    ("How do I reset {}?", "Hold the button on the back of {} for ten seconds."),
    ("Can I return {} after 30 days?", "{} can be returned within 60 days with its receipt."),
    ("What is the warranty on {}?", "{} has a warranty of two years."),
    ("My invoice for {} is wrong, who can fix it?", "Billing corrects invoices for {} within a day."),
    ("Does {} work with Linux?", "{} works with Linux from kernel 6.1."),
    ("{} arrived broken. What now?", "We replace {} free of charge; here is a return label."),
    ("How much does shipping of {} to Norway cost?", "Shipping {} to Norway costs 14 euros."),
    ("Where can I download the manual of {}?", "The manual of {} is in the support portal."),
    ("Why is {} slower since the last update?", "The next update of {} brings back its speed."),
    ("Ist {} auch in Grün erhältlich?", "{} gibt es in Schwarz, Weiß und Grün."),
    ("Cancel my subscription for {} please 🙏", "The subscription for {} ends this month."),
    ("Compare {} with last year's model.", "{} is lighter and lasts longer than last year's model."),
)


@dataclass(frozen=True, slots=True)
class SampleCase:
    """One test case. Every vendor's assistants get the same text."""

    case_id: str
    question: str
    answer: str


CASES = tuple(
    SampleCase(f"case-{number:03d}", question.format(product), answer.format(product))
    for number, (product, (question, answer)) in enumerate(
        (product, texts) for texts in _QUESTIONS for product in _PRODUCTS
    )
)
"""A hundred and twenty cases."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How one assistant performs: number of sessions, speed, error rate, quality and price."""

    name: str
    sessions: int
    days_ago: float
    """When it was started, before TODAY."""
    seconds: float = 2.0
    """Median duration of a session."""
    errors: float = 0.05
    """Fraction of sessions that fail."""
    quality: float = 0.8
    """Mean score, 0..1."""
    dollars_per_1k: float = 0.002
    """Price of a thousand tokens."""
    model: str = "nvidia/nemotron-nano-9b-v2"


@dataclass(frozen=True, slots=True)
class SampleRun:
    """One session. None means that nothing was measured."""

    number: int
    case: SampleCase
    start: datetime
    seconds: float | None
    """None while it still runs."""
    failed: bool
    prompt_tokens: int | None
    completion_tokens: int | None
    dollars: float | None
    scores: dict[str, float]
    """From 0 to 1 by criterion: correctness, faithfulness, consistency."""


def sample_runs(random: Random, profile: Profile) -> Iterator[SampleRun]:
    """Let an assistant answer the cases in turn, spread over up to four days from its start."""
    start = TODAY - timedelta(days=profile.days_ago)
    window = min(timedelta(days=4), TODAY - start) - timedelta(hours=1)
    moments = sorted(start + window * random.random() for _ in range(profile.sessions))
    for number, moment in enumerate(moments):
        yield _sample_run(random, profile, number, moment)


def _sample_run(random: Random, profile: Profile, number: int, moment: datetime) -> SampleRun:
    failed = random.random() < profile.errors
    running = number == profile.sessions - 1 and profile.sessions > 3 and profile.days_ago < 10
    metered = random.random() > 0.04
    prompt, completion = random.randint(180, 2400), random.randint(20, 700)
    dollars = round((prompt + completion) / 1000 * profile.dollars_per_1k, 6)
    return SampleRun(
        number=number,
        case=CASES[number % len(CASES)],
        start=moment,
        seconds=None if running else round(random.lognormvariate(0, 0.5) * profile.seconds, 3),
        failed=failed and not running,
        prompt_tokens=prompt if metered else None,
        completion_tokens=completion if metered else None,
        dollars=dollars if metered and random.random() > 0.03 else None,
        scores={} if failed or running else _scores(random, profile.quality),
    )


def _scores(random: Random, quality: float) -> dict[str, float]:
    names = ("correctness", "faithfulness", "consistency")
    drawn = {name: round(min(1.0, max(0.0, random.gauss(quality, 0.15))), 3) for name in names}
    return {name: score for name, score in drawn.items() if random.random() > 0.06}
