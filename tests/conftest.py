"""Has assertions that stand beside the tests tell what they compared, as those in tests do."""

import pytest

pytest.register_assert_rewrite(
    "tests.e2e.harness", "tests.e2e.process", "tests.e2e.watch", "tests.conformance.promises"
)
