"""Every library beside the conformance vectors: what it does not agree with is what `xfails/` says, and no more."""
import pytest

from tests.vectors import runner


@pytest.mark.parametrize("library", ["zennit", "captum", "lxt", "autolrp"])
def test_a_library_agrees_with_the_vectors_but_for_what_is_known(library, needs):
    needs(library)
    problems = runner.unexpected(library, runner.run(runner.adapter(library)))
    assert not problems, "\n".join(problems)
