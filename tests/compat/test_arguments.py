"""Arguments of ultralytics': dropped where they change nothing, answered where they would."""

from __future__ import annotations

import pytest

from seglab.compat.arguments import ANY, ARGUMENTS, drop_unsupported, unsupported
from seglab.config import refuse_unknown, verb_arguments
from seglab.errors import SeglabError

OWN = {verb: set(verb_arguments(verb, but=("model",))) for verb in ARGUMENTS}


@pytest.mark.parametrize("verb", list(ARGUMENTS))
def test_the_table_holds_no_argument_of_seglabs_own(verb):
    assert not OWN[verb] & ARGUMENTS[verb].keys()


@pytest.mark.parametrize("verb", list(ARGUMENTS))
def test_what_changes_nothing_is_dropped_and_the_rest_answered(verb):
    for name, (harmless, instead) in ARGUMENTS[verb].items():
        for value in ("whatever",) if harmless is ANY else harmless:
            assert drop_unsupported(verb, {name: value, "imgsz": 64}) == {"imgsz": 64}
        if harmless is not ANY:
            with pytest.raises(SeglabError) as caught:
                drop_unsupported(verb, {name: "whatever"})
            assert str(caught.value) == f"{verb} does not take {name}='whatever': {instead}"
            assert instead and not instead.endswith(".")


def test_a_nearest_name_is_near():
    for verb, wrong in (("train", "pretrianed"), ("train", "epoch"), ("val", "imgz"), ("predict", "confs")):
        with pytest.raises(SeglabError, match="did you mean"):
            refuse_unknown([wrong], OWN[verb], verb)
    for verb, other in (("train", "fraction"), ("train", "time"), ("train", "single_cls"), ("export", "simplify")):
        with pytest.raises(SeglabError, match=f"no argument '{other}': valid names are"):
            refuse_unknown([other], OWN[verb], verb)


def test_a_method_that_is_not_there_says_so():
    with pytest.raises(SeglabError, match=r"seglab has no track\(\): predict"):
        unsupported("track", "predict")("self", persist=True)
