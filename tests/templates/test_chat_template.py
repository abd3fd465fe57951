"""Chat templates: the same text as transformers, refusals that explain themselves, and no way to hang or break in."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from server.api.templates import NO_TEMPLATE_MESSAGE, ChatTemplate
from server.errors import ConfigError, ModelLoadError, RequestError

CHAT = Path(__file__).parent / "chat"
TEMPLATES = sorted(path.stem for path in CHAT.glob("*.jinja"))
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tomorrow's weather in <city> & around it — 'now'",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    },
    {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object"}}},
]
every_template = pytest.mark.parametrize("name", TEMPLATES)


def source(name: str) -> str:
    return (CHAT / f"{name}.jinja").read_text(encoding="utf-8")


def ours(text: str) -> ChatTemplate:
    return ChatTemplate({"default": text}, TOKENS)


def user(text: Any = "Hi") -> dict[str, Any]:
    return {"role": "user", "content": text}


def call_message(arguments: Any, **fields: Any) -> dict[str, Any]:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    return {"role": "assistant", "tool_calls": [call], **fields}


def conversation(*, has_system: bool) -> list[dict[str, Any]]:
    messages = [
        user(" How warm will it be in Zürich? <b> "),
        call_message({"city": "Zürich", "days": [1, None, True]}, content=""),
        {"role": "tool", "content": '{"t": 21.5}', "tool_call_id": "call_1"},
        {"role": "assistant", "content": "21.5 °C.\n"},
        user("And 'tomorrow'?"),
    ]
    return [{"role": "system", "content": "Be brief."}, *messages] if has_system else messages


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(unk_token="<unk>")), **TOKENS)


def theirs(tokenizer: PreTrainedTokenizerFast, text: str, messages: list[dict[str, Any]], **options: Any) -> str:
    return tokenizer.apply_chat_template(messages, chat_template=text, tokenize=False, **options)


@every_template
@pytest.mark.parametrize("tools", [None, TOOLS])
@pytest.mark.parametrize("has_system", [False, True])
@pytest.mark.parametrize("add_generation_prompt", [False, True])
def test_the_prompt_is_the_one_transformers_writes(
    name: str, tools: Any, has_system: bool, add_generation_prompt: bool, tokenizer: PreTrainedTokenizerFast
) -> None:
    messages = conversation(has_system=has_system and name != "mistral_like")
    expected = theirs(tokenizer, source(name), messages, tools=tools, add_generation_prompt=add_generation_prompt)
    got = ours(source(name)).render(messages, tools, add_generation_prompt=add_generation_prompt)
    assert got == expected
    assert len(got) > 100


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(data=st.data())
@settings(max_examples=60)
def test_random_conversations_are_written_as_transformers_writes_them(
    data: st.DataObject, tokenizer: PreTrainedTokenizerFast
) -> None:
    name = data.draw(st.sampled_from(["llama3_like", "chatml_like"]))
    roles = data.draw(st.lists(st.sampled_from(["system", "user", "assistant", "tool"]), min_size=1, max_size=6))
    messages = [{"role": role, "content": data.draw(texts)} for role in roles]
    tools = data.draw(st.sampled_from([None, TOOLS]))
    assert ours(source(name)).render(messages, tools) == theirs(
        tokenizer, source(name), messages, tools=tools, add_generation_prompt=True
    )


@every_template
@pytest.mark.parametrize("text", ["Once upon", "Once upon ", "Once\n\n"])
def test_a_continued_message_ends_where_transformers_ends_it(
    name: str, text: str, tokenizer: PreTrainedTokenizerFast
) -> None:
    messages = [user(), {"role": "assistant", "content": text}]
    got = ours(source(name)).render(messages, add_generation_prompt=False, continue_final_message=True)
    assert got == theirs(tokenizer, source(name), messages, continue_final_message=True)
    assert got.endswith(text) or got.endswith(text.strip())


@every_template
def test_arguments_as_json_text_are_written_like_arguments_as_objects(name: str) -> None:
    template = ours(source(name))
    arguments = {"city": "Köln", "n": 1}
    as_object = template.render([user(), call_message(arguments, content="")])
    assert template.render([user(), call_message(json.dumps(arguments), content=None)]) == as_object
    assert '"city": "Köln"' in as_object


def test_arguments_that_are_not_json_are_shown_as_they_are() -> None:
    prompt = ours(source("llama3_like")).render([user(), call_message('{"city": ')])
    assert json.dumps('{"city": ') in prompt


@every_template
def test_text_parts_are_written_like_one_text(name: str) -> None:
    template = ours(source(name))
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert template.render([user(parts)]) == template.render([user("one\ntwo")])


def test_a_template_that_only_reads_parts_gets_parts(tokenizer: PreTrainedTokenizerFast) -> None:
    text = (
        "{% for m in messages %}{{ m.role }}:"
        "{% for part in m['content'] %}{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}"
        "{% endfor %}"
    )
    parts = [user([{"type": "text", "text": "Hello "}])]
    assert ours(text).render([user("Hello ")]) == theirs(tokenizer, text, parts) == "user:Hello "
    continued = ours(text).render([user("Hello ")], add_generation_prompt=False, continue_final_message=True)
    assert continued == "user:Hello "


def test_null_fields_are_as_good_as_absent() -> None:
    text = "{% for m in messages %}{{ 'calls' if m.tool_calls is defined else m.content }}{% endfor %}"
    message = {"role": "assistant", "content": "text", "tool_calls": None, "name": None}
    assert ours(text).render([message, {**message, "tool_calls": []}]) == "texttext"


def test_the_developer_role_is_the_system_role_where_the_template_knows_no_other() -> None:
    message = {"role": "developer", "content": "x"}
    assert ours("{{ messages[0].role }}").render([message]) == "system"
    assert ours("{# developer #}{{ messages[0].role }}").render([message]) == "developer"


def test_the_callers_messages_are_left_untouched() -> None:
    messages = [user([{"type": "text", "text": "a"}]), call_message('{"a": 1}'), {"role": "assistant", "content": "b"}]
    before = json.dumps(messages)
    ours(source("chatml_like")).render(messages, add_generation_prompt=False, continue_final_message=True)
    assert json.dumps(messages) == before


def refusal(template: ChatTemplate, messages: list[Any], **options: Any) -> RequestError:
    with pytest.raises(RequestError) as error:
        template.render(messages, **options)
    assert len(error.value.message) <= 500
    return error.value


def test_a_templates_own_refusal_reaches_the_client() -> None:
    error = refusal(ours(source("mistral_like")), [{"role": "system", "content": "x"}])
    assert (error.message, error.param) == ("This model knows no role 'system'.", "messages")
    assert refusal(ours("{{ raise_exception('x' * 9000) }}"), [user()]).message.startswith("xxx")


@pytest.mark.parametrize(
    "text",
    [
        "{{ messages.nothing.more }}",
        "{{ 1 + 'a' }}",
        "{{ messages[0].content.upper(1, 2, 3) }}",
        "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{% for m in 7 %}{% endfor %}",
        "{{ 1 / 0 }}",
        "{% include 'other' %}",
    ],
)
def test_a_template_that_fails_is_a_clear_refusal(text: str) -> None:
    assert refusal(ours(text), [user()]).message.startswith("The model's chat template cannot write this conversation")


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({'a': 1}) }}",
        "{{ raise_exception.__globals__.json }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{% for i in range(10000000) %}{% endfor %}",
    ],
)
def test_templates_cannot_leave_their_sandbox(text: str) -> None:
    assert "cannot write" in refusal(ours(text), [user()]).message


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in messages %}{% for b in messages %}{{ b.content }}{% endfor %}{% endfor %}",
        "{% for a in messages %}{% for b in messages if b.role == 'x' %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(n=0) %}{% for a in messages %}{% for b in messages %}"
        "{% set ns.n = ns.n + loop.length %}{% endfor %}{% endfor %}",
        "{% macro f() %}{% for b in messages %}{% endfor %}{% endmacro %}{% for a in messages %}{{ f() }}{% endfor %}",
        "{% for a in messages %}{{ messages | selectattr('role', 'equalto', 'x') | list | length }}{% endfor %}",
    ],
)
def test_a_template_with_loops_over_ten_thousand_messages_is_stopped(text: str) -> None:
    error = refusal(ours(text), [user("x")] * 10_000, limit_s=0.1)
    assert "longer than 0.1 seconds" in error.message


def test_ten_thousand_messages_pass_through_an_ordinary_template() -> None:
    prompt = ours(source("chatml_like")).render([user("x")] * 10_000)
    assert prompt.count("<|im_start|>user") == 10_000


@pytest.mark.parametrize(
    ("kwargs", "param"),
    [
        ({"tokenize": True}, "chat_template_kwargs"),
        ({"messages": "x"}, "chat_template_kwargs"),
        ({"chat_template": "{{ 1 }}"}, "chat_template_kwargs"),
        ({"return_dict": True}, "chat_template_kwargs"),
        ({"bos_token": ""}, "chat_template_kwargs"),
        ({"_deadline": 1}, "chat_template_kwargs"),
        ({"raise_exception": 1}, "chat_template_kwargs"),
        ({"a b": 1}, "chat_template_kwargs"),
        ({f"k{i}": 1 for i in range(33)}, "chat_template_kwargs"),
        ({"thinking": [1]}, "chat_template_kwargs.thinking"),
        ({"thinking": {"a": 1}}, "chat_template_kwargs.thinking"),
        ({"thinking": float("nan")}, "chat_template_kwargs.thinking"),
        ({"thinking": "x" * 5000}, "chat_template_kwargs.thinking"),
        ({"thinking": 10**30}, "chat_template_kwargs.thinking"),
    ],
)
def test_template_kwargs_that_could_do_harm_are_refused(kwargs: Any, param: str) -> None:
    assert refusal(ours("x"), [user()], template_kwargs=kwargs).param == param


def test_template_kwargs_reach_the_template(tokenizer: PreTrainedTokenizerFast) -> None:
    for name, kwargs in (("chatml_like", {"enable_thinking": False}), ("llama3_like", {"date_string": "2 Feb 2026"})):
        got = ours(source(name)).render([user()], template_kwargs=kwargs)
        assert got == theirs(tokenizer, source(name), [user()], add_generation_prompt=True, **kwargs)
        assert got != ours(source(name)).render([user()])


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        (["hi"], "messages[0]"),
        ([user(), {"content": "x"}], "messages[1]"),
        ([user(3)], "messages[0].content"),
        ([user([{"type": "image_url", "image_url": {"url": "http://x"}}])], "messages[0].content[0]"),
        ([user([{"type": "text"}])], "messages[0].content[0]"),
        ([user(), {"role": "assistant", "tool_calls": [{"id": "1"}]}], "messages[1].tool_calls[0].function"),
    ],
)
def test_bad_messages_are_refused_with_their_path(messages: list[Any], param: str) -> None:
    assert refusal(ours("x"), messages).param == param


def test_a_message_cannot_be_continued_and_answered_at_once_nor_continued_without_text() -> None:
    template = ours(source("chatml_like"))
    assert refusal(template, [user()], continue_final_message=True).param == "continue_final_message"
    for last in (user(""), call_message("{}")):
        error = refusal(template, [user(), last], add_generation_prompt=False, continue_final_message=True)
        assert error.param == "continue_final_message"


def test_a_template_that_drops_the_final_message_cannot_continue_it() -> None:
    error = refusal(ours("{{ messages[0].role }}"), [user()], add_generation_prompt=False, continue_final_message=True)
    assert error.param == "continue_final_message"


def test_strftime_now_and_supports_tools() -> None:
    assert ours("{{ strftime_now('%Y') }}").render([user()]).isdigit()
    assert ours(source("chatml_like")).supports_tools
    assert not ours("{{ messages }}").supports_tools


def write(directory: Path, **files: Any) -> Path:
    for name, content in files.items():
        path = directory / name.replace("__", "/").replace("_json", ".json").replace("_jinja", ".jinja")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return directory


def loaded(directory: Path) -> ChatTemplate:
    template = ChatTemplate.from_directory(directory)
    assert template is not None
    return template


def test_a_template_and_special_tokens_are_found_wherever_models_keep_them(tmp_path: Path) -> None:
    assert ChatTemplate.from_directory(tmp_path) is None
    assert "--chat-template" in NO_TEMPLATE_MESSAGE
    write(tmp_path, tokenizer_config_json={"bos_token": {"content": "<B>"}, "eos_token": None})
    assert ChatTemplate.from_directory(tmp_path) is None
    write(tmp_path, special_tokens_map_json={"bos_token": "<old>", "eos_token": "<E>"})
    body = "{{ bos_token }}{{ eos_token }}{{ messages[0].content }}"
    write(
        tmp_path,
        tokenizer_config_json={"bos_token": {"content": "<B>"}, "eos_token": None, "chat_template": "config" + body},
    )
    assert loaded(tmp_path).render([user()]) == "config<B><E>Hi"
    write(tmp_path, chat_template_json={"chat_template": "json" + body})
    assert loaded(tmp_path).render([user()]) == "json<B><E>Hi"
    write(tmp_path, chat_template_jinja="jinja" + body)
    assert loaded(tmp_path).render([user()]) == "jinja<B><E>Hi"
    write(tmp_path, additional_chat_templates__tool_use_jinja="tools" + body)
    assert loaded(tmp_path).render([user()], TOOLS) == "tools<B><E>Hi"
    assert loaded(tmp_path).render([user()]) == "jinja<B><E>Hi"


def test_of_named_templates_the_one_for_tools_serves_requests_with_tools(tmp_path: Path) -> None:
    named = [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "<tool_call>"}]
    template = loaded(write(tmp_path, tokenizer_config_json={"chat_template": named}))
    assert (template.render([user()]), template.render([user()], TOOLS)) == ("plain", "<tool_call>")
    assert "<tool_call>" in template.source


@pytest.mark.parametrize(
    "files",
    [
        {"chat_template_jinja": "{% for %}"},
        {"chat_template_jinja": "{{ messages | no_such_filter }}"},
        {"tokenizer_config_json": "{"},
        {"tokenizer_config_json": []},
        {"tokenizer_config_json": {"chat_template": 3}},
        {"tokenizer_config_json": {"chat_template": [{"name": "default"}]}},
        {"tokenizer_config_json": {"chat_template": [{"name": "rag", "template": "x"}]}},
    ],
)
def test_a_damaged_template_stops_the_model_from_loading(tmp_path: Path, files: dict[str, Any]) -> None:
    with pytest.raises(ModelLoadError):
        ChatTemplate.from_directory(write(tmp_path, **files))


def test_the_operators_file_takes_the_models_special_tokens(tmp_path: Path) -> None:
    write(tmp_path, tokenizer_config_json=TOKENS, own_jinja="{{ bos_token }}{{ messages[0].content }}")
    assert ChatTemplate.from_file(tmp_path / "own.jinja", tmp_path).render([user()]) == "<s>Hi"
    assert ChatTemplate.from_file(tmp_path / "own.jinja").render([user()]) == "Hi"


def test_an_operators_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.jinja").write_text("{% if %}", encoding="utf-8")
    for name in ("missing.jinja", "bad.jinja"):
        with pytest.raises(ConfigError, match=name):
            ChatTemplate.from_file(tmp_path / name)
