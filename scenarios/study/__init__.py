"""Studies: a scenario over parameters and seeds, in parallel, resumable, into one table."""

from scenarios.study.config import StudyConfig
from scenarios.study.plan import Point, Study, load_study
from scenarios.study.summary import Outcome
from scenarios.study.survey import run_study
from scenarios.study.worker import PointResult, run_point

__all__ = [
    "Outcome",
    "Point",
    "PointResult",
    "Study",
    "StudyConfig",
    "load_study",
    "run_point",
    "run_study",
]
