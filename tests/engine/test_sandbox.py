"""Chat templates that nobody should trust: each is refused within seconds, and none takes the machine's memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import pytest
from peak_memory import forget_peak, peak_memory

from imagejudge.engine.chat import ChatTemplate
from imagejudge.errors import ModelError

PLAIN = "{% for m in messages %}[{{ m['content'] }}]{% endfor %}"
NESTED = (
    "{% for i in range(9) %}{% for j in range(9999) %}{% for k in range(9999) %}BODY"
    "{% endfor %}{% endfor %}{% endfor %}"
)
GROWING = "{% set ns = namespace(a='ab') %}{% for i in range(60) %}BODY{% endfor %}"

HOSTILE = {
    "nested loops": NESTED.replace("BODY", ""),
    "nested loops that compute": NESTED.replace("BODY", "{% set x = i * j + k %}"),
    "endless recursion": "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
    "branching recursion": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "repeated text": "{% set x = 'a' * 3000000000 %}",
    "repeated text, from the right": "{% set x = 3000000000 * 'a' %}",
    "repeated list": "{% set x = [1] * 3000000000 %}",
    "printed repetition": "{{ 'a' * 3000000000 }}",
    "width of a format": "{% set x = '%2000000000d' % 1 %}",
    "width from an argument": "{% set x = '%*d' % (2000000000, 1) %}",
    "filter format": "{% set x = '%2000000000d' | format(1) %}",
    "str.format": "{% set x = '{:>2000000000}'.format('a') %}",
    "str.format, nested": "{% set x = '{:{}}'.format('a', 2000000000) %}",
    "str.format, nested text": "{% set x = '{:>{w}}'.format('a', w='2000000000') %}",
    "power": "{% set x = 10 ** 100000000 %}",
    "power, step by step": GROWING.replace("'ab'", "9").replace("BODY", "{% set ns.a = ns.a * ns.a %}"),
    "round": "{% set x = 1.5 | round(99999999, 'ceil') %}",
    "center": "{% set x = 'a' | center(3000000000) %}",
    "center, a method": "{% set x = 'a'.center(3000000000) %}",
    "ljust": "{% set x = 'a'.ljust(3000000000) %}",
    "zfill": "{% set x = 'a'.zfill(3000000000) %}",
    "expandtabs": "{% set x = '\t'.expandtabs(3000000000) %}",
    "to_bytes": "{% set x = (5).to_bytes(3000000000, 'big') %}",
    "indent": "{% set x = 'a\nb' | indent(3000000000) %}",
    "range": "{% set x = range(3000000000) | list %}",
    "growing text": GROWING.replace("BODY", "{% set ns.a = ns.a ~ ns.a %}"),
    "growing sum": GROWING.replace("BODY", "{% set ns.a = ns.a + ns.a %}"),
    "growing join": GROWING.replace("BODY", "{% set ns.a = [ns.a, ns.a] | join(ns.a) %}"),
    "growing replace": GROWING.replace("BODY", "{% set ns.a = ns.a.replace('a', ns.a) %}"),
    "growing replace, a filter": GROWING.replace("BODY", "{% set ns.a = ns.a | replace('a', ns.a) %}"),
    "growing list": GROWING.replace("BODY", "{% set ns.a = [ns.a, ns.a] %}") + "{% set x = ns.a | tojson %}",
    "growing list, printed": GROWING.replace("BODY", "{% set ns.a = [ns.a, ns.a] %}") + "{% set x = ns.a | string %}",
    "growing list, pretty": GROWING.replace("BODY", "{% set ns.a = [ns.a, ns.a] %}") + "{% set x = ns.a | pprint %}",
    "batch": "{% set x = [1] | batch(3000000000, 0) | list %}",
    "slice": "{% set x = [1] | slice(3000000000) | list %}",
    "many sorts": NESTED.replace("BODY", "{% set x = range(9999) | sort(reverse=true) %}"),
    "wordwrap": NESTED.replace("BODY", "{% set x = ('a ' * 9999) | wordwrap(1) %}"),
    "urlize": NESTED.replace("BODY", "{% set x = ('http://a.b ' * 9999) | urlize %}"),
    "lorem": "{% set x = lipsum(n=99999) %}",
    "cycler": "{% set c = cycler(1) %}{% for a in c.__iter__() %}{% endfor %}",
    "deep source": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "deep unary": "{{ " + "- " * 100000 + "1 }}",
}
"""By what they try. Some only make something large and then go on, so a plain template follows each."""

NATIVE = (
    "{% set ns = namespace(a=[1], b=[1]) %}"
    "{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}"
    "{% set x = ns.a == ns.b %}"
)
"""2^60 comparisons within one native call, which counts no steps and makes nothing."""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_is_refused_soon(name: str) -> None:
    forget_peak()
    before = peak_memory()
    started = time.process_time()
    with pytest.raises(ModelError, match="chat template cannot be used"):
        ChatTemplate(HOSTILE[name] + PLAIN, bos="<s>", eos="</s>").frame(1, image=True)
    assert time.process_time() - started < 10
    assert peak_memory() - before < 300e6
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
    assert sys.gettrace() is None or "step" not in repr(sys.gettrace())


@pytest.mark.parametrize("source", [NATIVE, "{{ ns.a }}".join(NATIVE.rsplit("{% set x = ns.a == ns.b %}", 1))])
def test_a_native_call_that_does_not_end_ends_the_process(source: str) -> None:
    """Or is refused for its memory, whichever comes first."""
    program = (
        "import sys\n"
        "from imagejudge.engine.chat import ChatTemplate\n"
        "from imagejudge.errors import ModelError\n"
        "try:\n"
        "    ChatTemplate(sys.argv[1], bos='', eos='').frame(1, image=True)\n"
        "except ModelError:\n"
        "    sys.exit(2)\n"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program, source], timeout=120, check=False, capture_output=True)
    assert done.returncode in (2, -26), done.stderr
    assert time.monotonic() - started < 60
