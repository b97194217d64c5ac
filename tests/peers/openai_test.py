#!/usr/bin/env python3
"""OpenAI's own client for Python, unchanged, against whatever serves `sentence-labels` under /v1.

    openai_test.py [BASE_URL]      like http://127.0.0.1:8000/v1, or in ENSCONCE_V1_URL

base_url is the one thing in here that knows of Ensconce: everything below is the public interface of the
package `openai` (PyPI). Exits 77, aloud, where it cannot be imported.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable

try:
    import openai
except ImportError as missing:
    print(f"SKIPPED: this test needs the Python package 'openai' ({missing})", file=sys.stderr)
    sys.exit(77)

BASE_URL = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("ENSCONCE_V1_URL",
                                                                "http://127.0.0.1:8000/v1")
MODEL = "sentence-labels"
CARD = ["My card was swallowed by the cash machine.", "The machine kept my bank card."]
BLOOD = "The lab results of my blood test have not arrived."

client = openai.OpenAI(base_url=BASE_URL, api_key="none", max_retries=0)


def likeness(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(
        sum(x * x for x in a) * sum(y * y for y in b))


def refused(call: Callable[[], object], kind: type[openai.APIStatusError], code: str) -> None:
    try:
        call()
    except kind as error:
        assert error.code == code, (error.code, code)
        assert error.body["type"] in ("invalid_request_error", "ensconce_proxy"), error.body
        return
    raise AssertionError(f"not refused with {code}")


def models() -> None:
    listed = client.models.list()
    assert MODEL in [model.id for model in listed], listed
    one = client.models.retrieve(MODEL)
    assert (one.id, one.object) == (MODEL, "model"), one
    refused(lambda: client.models.retrieve("none"), openai.NotFoundError, "server.unknown_model")


def embeddings() -> None:
    answer = client.embeddings.create(model=MODEL, input=[*CARD, BLOOD])  # in base64, as it asks for
    assert answer.model == MODEL and [one.index for one in answer.data] == [0, 1, 2], answer
    first, second, third = (one.embedding for one in answer.data)
    assert len(first) == 512, len(first)
    assert likeness(first, second) > likeness(first, third) + 0.2
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 20, answer.usage
    alone = client.embeddings.create(model=MODEL, input=BLOOD, encoding_format="float")
    assert all(math.isclose(x, y, abs_tol=1e-5) for x, y in zip(alone.data[0].embedding, third))
    many = client.embeddings.create(model=MODEL, input=[BLOOD] * 100)
    assert len(many.data) == 100 and many.usage.total_tokens == 100 * alone.usage.total_tokens


def refusals() -> None:
    create = client.embeddings.create
    refused(lambda: create(model=MODEL, input=[[1, 2, 3]]), openai.BadRequestError,
            "openai.unsupported")
    refused(lambda: create(model=MODEL, input=""), openai.BadRequestError, "openai.input")
    refused(lambda: create(model=MODEL, input=BLOOD, dimensions=64), openai.BadRequestError,
            "openai.unsupported")
    refused(lambda: create(model="none", input=BLOOD), openai.NotFoundError,
            "channel.model.not_in_policy")


if __name__ == "__main__":
    for check in (models, embeddings, refusals):
        check()
        print(f"ok: {check.__name__}")
