"""What a check asks: one file a suite."""

from refimpl.oracle.suites.base import Suite
from refimpl.oracle.suites.encoder import EncoderSuite

SUITES: dict[str, Suite] = {suite.name: suite for suite in (EncoderSuite(),)}
