"""The language of `--variants`: what is written is what is read, and errors say in one line what to do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.config import EngineConfig
from server.engine.variant_specs import VARIANTS, Call, VariantSpec, parse_variants, split_variants
from server.errors import ConfigError

words = st.from_regex(r"[a-z][a-z0-9_]{0,7}", fullmatch=True)
# A value may hold anything but a quote of each kind, in which nothing could stand around it.
values = st.text(st.characters(codec="utf-8", exclude_characters="'"), min_size=1) | st.text(
    st.characters(codec="utf-8", exclude_characters='"'), min_size=1
)
calls = st.builds(Call, words, st.dictionaries(words, values, max_size=3))
specs = st.builds(
    VariantSpec, st.from_regex(r"[a-zA-Z0-9][\w.-]{0,7}", fullmatch=True).filter(str.isascii), calls, calls
)


@settings(max_examples=40, deadline=None)
@given(specs=st.lists(specs, min_size=1, max_size=4, unique_by=lambda spec: spec.name))
def test_what_is_written_is_what_is_read_in_one_list_or_several(specs):
    written = [str(spec) for spec in specs]
    assert parse_variants(written) == specs
    assert parse_variants([", ".join(written)]) == specs
    assert split_variants(",".join(written)) == written


@settings(deadline=None)
@given(text=st.text(max_size=40) | st.text("duo(=,)+'\" 0.5", max_size=30))
def test_any_text_is_read_or_refused_in_one_line(text):
    refusal, read = "", []
    try:
        read = parse_variants([text])
    except ConfigError as error:
        refusal = str(error)
    assert refusal.isprintable()
    assert parse_variants(map(str, read)) == read if read else refusal


def test_names_alone_stand_for_what_every_server_knows():
    assert parse_variants(["full,duo"]) == [VariantSpec(name, Call(VARIANTS[name])) for name in ("full", "duo")]
    assert parse_variants(["duo(sparsity=0.75)"]) == [VariantSpec("duo", Call("duo", {"sparsity": "0.75"}))]
    (spec,) = parse_variants(['half=duo( pattern="/a (b), c", prefill=relaxed:512 ) + skip(min=3)'])
    assert spec == VariantSpec(
        "half", Call("duo", {"pattern": "/a (b), c", "prefill": "relaxed:512"}), Call("skip", {"min": "3"})
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least one"),
        ("fast", "known are full, duo"),
        ("a:b=full", "a name is letters"),
        ("full,full", "named 2 times"),
        ("a=duo(sparsity=0.5", "opened and closed"),
        ("a=duo)", "opened and closed"),
        ('a=duo(pattern="x)', "opened and closed"),
        ("a=duo(0.5)", "'0.5' is not of the form argument=value"),
        ("a=duo(sparsity=)", "not of the form argument=value"),
        ("a=duo(sinks=1,,recent=2)", "'' is not of the form argument=value"),
        ("a=duo(sinks=1,sinks=2)", "sinks is given twice"),
        ("a=duo(pattern=x(1))", "in quotes"),
        ("a=full+full+full", "not 3 parts"),
        ("a=", "is not of the form policy"),
    ],
)
def test_what_cannot_be_read_is_refused_before_a_model_is_loaded(text, message):
    with pytest.raises(ConfigError, match=message):
        EngineConfig("model", variants=(text,))
