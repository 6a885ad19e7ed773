"""What a data set's methods are judged by, and how a reader sees it: accuracy, or the RMSE of a regression."""

from __future__ import annotations

from dataclasses import dataclass

from kernelopt.evaluation.statistics import Estimate
from kernelopt.pages import formats


@dataclass(frozen=True)
class Metric:
    """A score with its words and its number formats.

    Parameters
    ----------
    name : str
        In the middle of a sentence.
    sign : {1, -1}
        1 if larger is better, else -1. Differences are shown as gains: positive where the first-named method is better.
    gain : str
        What a gain is, in a sentence on the differences.
    unit : str
        Follows a gain.
    axis : str
        Name of an axis.
    error : str
        The error that falls with the number of training points.
    """

    name: str
    sign: int
    gain: str
    unit: str
    axis: str
    error: str

    @property
    def is_fraction(self) -> bool:
        """Whether values are fractions, shown in per cent."""
        return self.sign > 0

    def value(self, value: float) -> str:
        """Return a value of the metric.

        >>> ACCURACY.value(0.8625), RMSE.value(2.1931)
        ('86.2', '2.19')
        """
        return formats.percent(value) if self.is_fraction else formats.significant(value, 3)

    def interval(self, estimate: Estimate) -> str:
        """Return the interval of a value."""
        if self.is_fraction:
            return formats.percent_interval(estimate)
        return f"[{self.value(estimate.low)},{formats.SPACE}{self.value(estimate.high)}]"

    def difference(self, value: float) -> str:
        """Return a gain, signed.

        >>> ACCURACY.difference(0.0134), RMSE.difference(-0.0134)
        ('+1.3', '−0.0134')
        """
        if self.is_fraction:
            return formats.points(value)
        text = formats.significant(value, 3)
        return text if value <= 0 or text in ("0", formats.NOTHING) else "+" + text

    def difference_interval(self, estimate: Estimate) -> str:
        """Return the interval of a gain."""
        return f"[{self.difference(estimate.low)},{formats.SPACE}{self.difference(estimate.high)}]"

    def tick(self, value: float) -> str:
        """Return the label of a tick on an axis of values."""
        return f"{100 * value if self.is_fraction else value:.6g}".replace("-", formats.MINUS)

    def difference_tick(self, value: float) -> str:
        """Return the label of a tick on an axis of gains."""
        return self.difference(value).replace(".0", "") if self.is_fraction else self.tick(value)


ACCURACY = Metric("accuracy", 1, "percentage points of test accuracy", "points", "test accuracy, %", "test error")
RMSE = Metric("RMSE", -1, "how much smaller the test RMSE is", "less RMSE", "test RMSE", "test RMSE")
