"""The official OpenAI client against `dilemma serve`: openai_client.py BASE_URL KEY MODEL. Prints "good" at the end."""
import sys

import openai

base_url, key, model = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=120)
messages = [{"role": "system", "content": "You are brief."}, {"role": "user", "content": "Why is the sky blue?"}]

assert [entry.id for entry in client.models.list()] == [model]

whole = client.chat.completions.create(model=model, messages=messages, max_tokens=16, temperature=0)
text = whole.choices[0].message.content
assert text and whole.choices[0].finish_reason == "length" and whole.usage.completion_tokens == 16, whole

pieces, usage = [], None
for chunk in client.chat.completions.create(model=model, messages=messages, max_tokens=16, temperature=0, stream=True,
                                            stream_options={"include_usage": True}):
    usage = chunk.usage or usage
    pieces += [choice.delta.content or "" for choice in chunk.choices]
assert "".join(pieces) == text, (pieces, text)
assert len(pieces) > 5 and usage == whole.usage, usage

scored = client.chat.completions.create(model=model, messages=messages, max_tokens=4, temperature=0, logprobs=True,
                                        top_logprobs=2)
tokens = scored.choices[0].logprobs.content
assert len(tokens) == 4 and all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in tokens), tokens
assert "".join(token.token for token in tokens) == scored.choices[0].message.content

stop = text[8:11]
stopped = client.chat.completions.create(model=model, messages=messages, max_tokens=16, temperature=0, stop=[stop])
assert stopped.choices[0].message.content == text[:text.index(stop)], stopped
assert stopped.choices[0].finish_reason == "stop"

plain = [client.completions.create(model=model, prompt="Once upon a time", max_tokens=8, temperature=1, top_p=0.9,
                                   seed=3).choices[0].text for _ in range(2)]
assert plain[0] and plain[0] == plain[1], plain


def refused(kind, **changes):
    arguments = {"model": model, "messages": messages, "max_tokens": 4, **changes}
    try:
        client.chat.completions.create(**arguments)
    except kind as error:
        assert error.body["message"], error.body
        return error
    raise AssertionError(f"{changes} were taken")


assert refused(openai.NotFoundError, model="gpt-9").code == "model_not_found"
assert refused(openai.BadRequestError, temperature=9).param == "temperature"
assert refused(openai.BadRequestError, max_tokens=100000).code == "context_length_exceeded"
client = client.with_options(api_key="wrong")
refused(openai.AuthenticationError)
print("good")
