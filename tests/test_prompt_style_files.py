"""Prompt styles as files: what may stand in one, and what is said of one that is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomli

import imagejudge
from imagejudge.engine.chat import ChatTemplate
from imagejudge.errors import ModelError
from imagejudge.prompts import DIRECT, HOUSE, PROMPT_STYLES, Kind, Question, find_prompt_style, visible

PAGE = (Path(imagejudge.__file__).parents[1] / "docs" / "models.md").read_text("utf-8")
ASK = '[ask]\nvisible = "{text}"\nrule = "{text}"\npublic = "{text}"\n'
TOP = 'schema = 1\nyes = ["Yes"]\nno = ["No"]\n'


def complaints(folder: Path, text: str) -> list[str]:
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ModelError) as caught:
        find_prompt_style(str(path))
    assert caught.value.hint
    return [line.removeprefix(f"{path}:") for line in caught.value.message.split("\n")]


def test_the_least_that_a_style_says(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(f"\ufeff{TOP}{ASK}", "utf-8")
    style = find_prompt_style("mine.toml", tmp_path)
    assert style.name == "mine"
    assert style.around_image(visible("A dog.")) == ("", "A dog.")
    assert style.image_first
    assert not style.reasoning
    assert Kind.RULES not in style.ask


def test_words_stand_as_they_were_written(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        TOP + 'user = """\n See:\t{image}\n "{question}" {"rating": }\n"""\nreply = " \\""\n'
        '[ask]\nvisible = "Is it?\\n{text}"\nrule = "{text}!"\npublic = "{text}"\n'
    )
    style = find_prompt_style("mine.toml", tmp_path)
    assert style.around_image(visible("A cat.")) == (" See:\t", '\n "Is it?\nA cat." {"rating": }\n')
    assert style.around_image(visible("")) == (" See:\t", '\n "Is it?" {"rating": }\n')
    assert style.around_image(Question(Kind.RULE, ""))[1].startswith('\n "!" ')
    assert style.reply == ' "'
    assert not style.image_first


def test_the_page_shows_a_style(tmp_path: Path) -> None:
    (example,) = (text for text in re.findall(r"```toml\n(.+?)```", PAGE, re.DOTALL) if "[ask]" in text)
    (tmp_path / "shown.toml").write_text(example)
    style = find_prompt_style("shown.toml", tmp_path)
    assert style.around_image(visible("A gun."))[1].startswith("Policy: Nothing may show this: A gun.\nIs ")
    keys = set(
        re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`.+?) \|", PAGE[PAGE.index("| key |") :], re.MULTILINE)))
    )
    assert {*tomli.loads(example)} - {"schema"} <= keys


def test_the_page_s_templates_write_nothing_but_turns() -> None:
    templates = re.findall(r"```jinja\n(.+?)```", PAGE, re.DOTALL)
    told = [
        "<bos><start_of_turn>user\n[image][question]<end_of_turn>\n<start_of_turn>model\n",
        "<bos><|start_header_id|>user<|end_header_id|>\n\n[question][image][more]<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
    ]
    for source, style, whole in zip(templates, ("shieldgemma-2", "llama-guard"), told, strict=True):
        frame = ChatTemplate(source, bos="<bos>", eos="", style=find_prompt_style(style)).frame(1, image=True)
        marks = ["[question]"] if style == "shieldgemma-2" else ["[question]", "[image]", "[more]"]
        before = "" if frame.before_image is None else f"{frame.before_image}[image]"
        assert before + "".join(map("".join, zip(frame.around, [*marks, ""], strict=True))) == whole


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema = 2\nx = 1", "1: schema 2 is not one that this version reads; write schema = 1, or use a newer"),
        (f"{TOP}usr = 'x'\n{ASK}", "4: unknown key 'usr' in the file; did you mean 'user'?"),
        (f"yes = ['a']\nno = ['b']\n{ASK}", "1: the file has no 'schema'; write schema = 1"),
        (TOP, "1: the file has no 'ask'; write [ask] with its keys on the lines below"),
        (TOP + ASK.replace("rule", "rul"), "6: unknown key 'rul' in [ask]; did you mean 'rule'?"),
        (TOP + ASK.replace('rule = "{text}"\n', ""), "4: [ask] has no 'rule'; write rule = "),
        (TOP + ASK.replace('"{text}"', '"Yes?"', 1), "5: {text} stands in 'visible' 0 times; write it once"),
        (TOP + ASK.replace('"{text}"', '"{text}{text}"', 1), "5: {text} stands in 'visible' 2 times"),
        (TOP + ASK.replace('"{text}"', '"{text}{txt}"', 1), "5: '{txt}' has no place in 'visible'; did you mean"),
        (TOP + ASK.replace('"{text}"', '"{text}{policy}"', 1), "5: '{policy}' has no place in 'visible'; 'visi"),
        (f"{TOP}user = '{{question}}'\n{ASK}", "4: {image} stands in 'user' 0 times"),
        (f"{TOP}user = '{{image}}'\n{ASK}", "4: {question} stands in 'user' 0 times"),
        (f"{TOP}user = ''\n{ASK}", "4: 'user' in the file is empty"),
        (f"{TOP}system = '{{question}}'\n{ASK}", "4: '{question}' has no place in 'system'; leave it out"),
        (f"{TOP}reply = 3\n{ASK}", "4: 'reply' in the file must be a string, not a whole number"),
        (f"{TOP}reply = '{'x' * 201}'\n{ASK}", "4: 'reply' in the file is 201 characters long; write at most 200"),
        (f'{TOP}user = "{{image}}{{question}}\\u001b[2J"\n{ASK}', "4: 'user' in the file holds the control character"),
        (f'{TOP}user = "{{image}}{{question}}\\u00a0"\n{ASK}', r"4: 'user' in the file holds the character '\xa0'"),
        (TOP + ASK.replace('"{text}"', '"{text}\\u00ad"', 1), r"5: 'visible' in [ask] holds the character '\xad'"),
        (f'schema = 1\nyes = ["Y\\u200bes"]\nno = ["No"]\n{ASK}', "2: word 1 of 'yes' holds the character '\\u200b' ("),
        (f"schema = 1\nyes = []\nno = ['b']\n{ASK}", "2: 'yes' in the file is empty; write yes = [\"Yes\"]"),
        (f"schema = 1\nyes = 'a'\nno = ['b']\n{ASK}", "2: 'yes' in the file must be a list, not a string"),
        (f"schema = 1\nyes = [1]\nno = ['b']\n{ASK}", "2: word 1 of 'yes' must be a string"),
        (f"schema = 1\nyes = ['a']\nno = ['A']\n{ASK}", "3: 'a' means both Yes and No; let each word mean one"),
        (f"schema = 1\nyes = {list('abcdefghi')}\nno = ['z']\n{ASK}", "2: 'yes' in the file has 9 items; write"),
        (f"{TOP}reasoning = 1\n{ASK}", "4: 'reasoning' in the file must be true or false"),
        (f"{TOP}reasoning = true\nuser = '{{question}}{{image}}'\n{ASK}", "4: a model can only reason where the image"),
        (f"{TOP}{ASK}[variables]\nmessages = 'x'", "9: the variable 'messages' cannot be set"),
        (f"{TOP}{ASK}[variables]\n'a b' = 'x'", "9: the variable 'a b' cannot be set"),
        (f"{TOP}{ASK}[variables]\na = 1.5", "9: the variable 'a' must be a string, true or false, not a number"),
        (f"{TOP}{ASK}[variables]\na = '{{image}}'", "9: '{image}' has no place in the variable 'a'; leave it out"),
        (f"{TOP}{ASK}[variables]\na = '{{question}}{{question}}'", "9: {question} stands in the variable 'a' 2 times"),
        (f"{TOP}{ASK}[variables]\na = '{{question}}'\nb = '{{question}}'", "8: {question} stands in 2 variables"),
        (f"{TOP}user = 'See {{image}}'\n{ASK}[variables]\na = '{{question}}'", "4: words beside the image, while"),
        (f"{TOP}{ASK}[variables]\n" + "".join(f"v{n} = true\n" for n in range(17)), "8: 17 variables; write at most"),
        ("schema = ", "1: not TOML at column 10"),
    ],
)  # fmt: skip
def test_mistakes_say_where_they_are(text: str, said: str, tmp_path: Path) -> None:
    assert any(line.startswith(said) for line in complaints(tmp_path, text)), complaints(tmp_path, text)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    lines = complaints(tmp_path, "yes = []\nno = 1\nuser = 'x'\n[ask]\nrule = 'y'\n")
    assert [line.partition(":")[0] for line in lines] == sorted(line.partition(":")[0] for line in lines)
    assert len(lines) >= 7


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.toml", "cannot be read: No such file"),
        ("a b.toml", "a file of this name cannot be a prompt style"),
        (".toml", "a file of this name cannot be a prompt style"),
        ("large.toml", "larger than 65,536 bytes"),
        ("folder.toml", "cannot be read: Is a directory"),
        ("latin.toml", "byte 0xe9 is not UTF-8"),
        ("../direct", "is not known"),
        ("", "is not known"),
    ],
)
def test_files_that_are_none(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "large.toml").write_text(TOP + ASK + "#" * 65_536)
    (tmp_path / "latin.toml").write_bytes(b"description = '\xe9'")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ModelError, match=said) as caught:
        find_prompt_style(name, tmp_path)
    assert caught.value.hint


def test_a_shipped_name_is_not_hidden_by_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "direct.toml").write_text(TOP + ASK)
    monkeypatch.chdir(tmp_path)
    assert find_prompt_style(DIRECT) == HOUSE
    own = find_prompt_style("direct.toml")
    assert own.name == HOUSE.name
    assert own.label != HOUSE.label


def test_shipped_styles_are_files_as_users_write_them() -> None:
    for name in PROMPT_STYLES:
        assert find_prompt_style(name).name == name
