"""clients_test.py URL KEY SOURCE_FOLDER: what the published clients make of the server's answers."""
import base64
import json
import pathlib
import sys
import unittest

import anthropic
import ollama
import openai

URL, KEY, ROOT = sys.argv[1:4]
LLAVA, FLAMINGO, ONELLM = "llava-v1.5-tabletop", "flamingo", "onellm"
QUESTION = "What is in this picture?"


def encoded(name):
    return base64.b64encode((pathlib.Path(ROOT) / "demo/pictures" / name).read_bytes()).decode()


PICTURE = encoded("table02.png")
IMAGE_URL = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PICTURE}}
ASKED = [{"role": "user", "content": [IMAGE_URL, {"type": "text", "text": QUESTION}]}]

# A model that was never taught to call calls where it must; this template tells it of tools.
TEMPLATE = "llava_hf_chatml"
SHAPES = ["cone", "cube", "sphere"]
PARAMETERS = {"type": "object", "properties": {"shape": {"type": "string", "enum": SHAPES}}, "required": ["shape"]}
COUNT = {"name": "count", "description": "How many of a shape there are.", "parameters": PARAMETERS}
PAINT = {"name": "paint", "parameters": {"type": "object", "properties": {}}}
WITH_TEMPLATE = {"extra_body": {"template": TEMPLATE}}


class OpenAi(unittest.TestCase):
    client = openai.OpenAI(base_url=URL + "/v1", api_key=KEY, max_retries=0)

    def chat(self, **fields):
        return self.client.chat.completions.create(**{"model": LLAVA, "messages": ASKED, "max_tokens": 48, **fields})

    def test_chat(self):
        answer = self.chat()
        self.assertIn("two objects", answer.choices[0].message.content)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertEqual(answer.model, LLAVA)
        self.assertGreater(answer.usage.prompt_tokens, 10)
        self.assertEqual(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)

    def test_a_stream_says_the_same(self):
        chunks = list(self.chat(stream=True, stream_options={"include_usage": True}))
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        self.assertEqual(text, self.chat().choices[0].message.content)
        self.assertEqual(chunks[-1].usage.completion_tokens, self.chat().usage.completion_tokens)
        self.assertEqual([c.choices[0].finish_reason for c in chunks if c.choices][-1], "stop")

    def test_length_stop_and_several_answers(self):
        self.assertEqual(self.chat(max_tokens=3).choices[0].finish_reason, "length")
        stopped = self.chat(stop=["objects"])
        self.assertNotIn("objects", stopped.choices[0].message.content)
        self.assertEqual(stopped.choices[0].finish_reason, "stop")
        self.assertEqual(len(self.chat(n=2, temperature=1.0, seed=3, max_tokens=4).choices), 2)
        first, second = (self.chat(temperature=1.0, seed=5, max_tokens=8).choices[0].message.content for _ in "ab")
        self.assertEqual(first, second)

    def test_completions_continue_text(self):
        answer = self.client.completions.create(model=ONELLM, prompt=["A red", "There is"], max_tokens=4)
        self.assertEqual(len(answer.choices), 2)
        self.assertGreater(len(answer.choices[0].text), 0)

    def test_echo_and_probabilities(self):
        echoed = self.client.completions.create(model=ONELLM, prompt="A red", max_tokens=4, echo=True).choices[0].text
        told = self.client.completions.create(model=ONELLM, prompt="A red", max_tokens=4, logprobs=2).choices[0]
        self.assertEqual(echoed, "A red" + told.text)
        self.assertEqual(len(told.logprobs.tokens), 4)
        self.assertEqual("".join(told.logprobs.tokens), told.text)  # the space at its beginning, too
        with self.assertRaises(openai.BadRequestError) as wrong:
            self.client.completions.create(model=ONELLM, prompt="A red", echo=True, logprobs=2)
        self.assertEqual(wrong.exception.param, "echo")
        answer = self.chat(logprobs=True, top_logprobs=2, max_tokens=4).choices[0]
        self.assertEqual([len(token.top_logprobs) for token in answer.logprobs.content], [2] * 4)

    def test_penalties_biases_and_min_p(self):
        def words(**penalty):
            answer = self.client.completions.create(model=ONELLM, prompt="A red", max_tokens=16, **penalty)
            return set(answer.choices[0].text.split())
        self.assertLess(len(words()), 5)
        for penalty in ({"frequency_penalty": 2.0}, {"presence_penalty": 2.0}):
            self.assertGreater(len(words(**penalty)), 8)
        plain = self.chat().choices[0].message.content
        # 2 ends an answer.
        self.assertEqual(self.chat(logit_bias={"2": 100}).choices[0].message.content, "")
        self.assertEqual(self.chat(logit_bias={"2": -100}).choices[0].finish_reason, "length")
        # Nothing is as likely as the likeliest.
        self.assertEqual(self.chat(temperature=1.0, extra_body={"min_p": 1.0}).choices[0].message.content, plain)

    def test_tools(self):
        asked = {"tools": [{"type": "function", "function": f} for f in (PAINT, COUNT)], "max_tokens": 256, **WITH_TEMPLATE,
                 "tool_choice": {"type": "function", "function": {"name": "count"}}}
        choice = self.chat(**asked).choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        self.assertIsNone(choice.message.content)
        call, = choice.message.tool_calls
        self.assertEqual(call.function.name, "count")
        self.assertIn(json.loads(call.function.arguments)["shape"], SHAPES)

        pieces = [c.choices[0].delta.tool_calls[0] for c in self.chat(**asked, stream=True) if c.choices[0].delta.tool_calls]
        self.assertEqual(pieces[0].function.name, "count")
        self.assertTrue(pieces[0].id)
        self.assertEqual({(p.id, p.function.name) for p in pieces[1:]}, {(None, None)})
        self.assertGreater(len(pieces), 3)
        self.assertEqual("".join(p.function.arguments for p in pieces), call.function.arguments)
        with self.client.chat.completions.stream(model=LLAVA, messages=ASKED, **asked) as stream:
            final = stream.get_final_completion().choices[0]
        self.assertEqual(final.message.tool_calls[0].function.arguments, call.function.arguments)
        self.assertEqual(final.finish_reason, "tool_calls")

        told = [*ASKED, choice.message, {"role": "tool", "tool_call_id": call.id, "content": "three"}]
        answer = self.chat(**{**asked, "tool_choice": "none", "max_tokens": 8}, messages=told)
        self.assertIsNone(answer.choices[0].message.tool_calls)
        self.assertGreater(len(answer.choices[0].message.content), 0)
        named = {self.chat(**{**asked, "tool_choice": "required"}).choices[0].message.tool_calls[0].function.name}
        self.assertLess(named, {"count", "paint"})
        self.assertEqual(self.chat(**{**asked, "max_tokens": 1}).choices[0].finish_reason, "length")

    def test_tools_of_responses(self):
        asked = {"model": LLAVA, "max_output_tokens": 256, **WITH_TEMPLATE,
                 "tools": [{"type": "function", "strict": True, **f} for f in (PAINT, COUNT)]}
        forced = {**asked, "input": QUESTION, "tool_choice": {"type": "function", "name": "count"}}
        answer = self.client.responses.create(**forced)
        call, = answer.output
        self.assertEqual((answer.status, call.type, call.status, call.name), ("completed", "function_call", "completed", "count"))
        self.assertIn(json.loads(call.arguments)["shape"], SHAPES)
        self.assertEqual([tool.name for tool in answer.tools], ["paint", "count"])

        with self.client.responses.stream(**forced) as stream:
            events = list(stream)
            final = stream.get_final_response()
        types = [event.type.removeprefix("response.") for event in events]
        deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
        self.assertEqual([t for t in types if t != "function_call_arguments.delta"],
                         ["created", "in_progress", "output_item.added", "function_call_arguments.done", "output_item.done",
                          "completed"])
        self.assertGreater(len(deltas), 2)
        self.assertEqual("".join(deltas), call.arguments)
        self.assertEqual((final.output[0].name, final.output[0].arguments), ("count", call.arguments))

        told = [{"role": "user", "content": QUESTION}, *answer.output,
                {"type": "function_call_output", "call_id": call.call_id, "output": "three"}]
        after = self.client.responses.create(**{**asked, "max_output_tokens": 8}, input=told, tool_choice="none")
        self.assertEqual([item.type for item in after.output], ["message"])
        self.assertGreater(len(after.output_text), 0)

    def test_responses(self):
        asked = [{"role": "user", "content": [{"type": "input_image", "image_url": IMAGE_URL["image_url"]["url"]},
                                              {"type": "input_text", "text": QUESTION}]}]
        answer = self.client.responses.create(model=LLAVA, input=asked, max_output_tokens=48)
        self.assertIn("two objects", answer.output_text)
        self.assertEqual(answer.status, "completed")
        with self.client.responses.stream(model=LLAVA, input=asked, max_output_tokens=48) as stream:
            types = [event.type for event in stream]
            self.assertEqual(stream.get_final_response().output_text, answer.output_text)
        self.assertEqual(types[0], "response.created")
        self.assertEqual(types[-1], "response.completed")

    def test_embeddings(self):
        for encoding in ({}, {"encoding_format": "float"}):
            points = self.client.embeddings.create(model=LLAVA, input=["a cone", "a cube"], **encoding).data
            self.assertEqual(len(points), 2)
            self.assertAlmostEqual(sum(x * x for x in points[0].embedding), 1, places=4)

    def test_models(self):
        self.assertEqual([m.id for m in self.client.models.list()], [LLAVA, FLAMINGO, ONELLM])
        self.assertEqual(self.client.models.retrieve(ONELLM).id, ONELLM)

    def test_examples_before_a_question(self):
        shots = []
        for name, caption in (("table01.png", "a cylinder"), ("table04.png", "a cone and a cube")):
            shot = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + encoded(name)}}
            shots += [{"role": "user", "content": [shot]}, {"role": "assistant", "content": caption}]
        answer = self.chat(model=FLAMINGO, messages=shots + [{"role": "user", "content": [IMAGE_URL]}], max_tokens=8)
        self.assertGreater(len(answer.choices[0].message.content), 0)

    def test_media_that_are_no_pictures(self):
        for content in ([{"type": "points", "data": encoded("table02.ply")}],
                        [{"type": "depth", "data": encoded("table02_depth.png"), "rgb": PICTURE, "unit": "mm"}]):
            asked = [{"role": "user", "content": content + [{"type": "text", "text": "Describe it."}]}]
            answer = self.chat(model=ONELLM, messages=asked, max_tokens=8)
            self.assertGreater(answer.usage.prompt_tokens, 8)

    def test_what_is_wrong(self):
        with self.assertRaises(openai.BadRequestError) as wrong:
            self.chat(tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}])
        self.assertEqual(wrong.exception.param, "tools")
        with self.assertRaises(openai.BadRequestError) as wrong:
            self.chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:;base64,QUJD"}}]}])
        self.assertIn("image 1 of the request", wrong.exception.message)
        with self.assertRaises(openai.NotFoundError):
            self.chat(model="gpt-4o")
        with self.assertRaises(openai.AuthenticationError):
            openai.OpenAI(base_url=URL + "/v1", api_key="wrong", max_retries=0).models.list()


class Anthropic(unittest.TestCase):
    client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)
    asked = {"model": LLAVA, "messages": [{"role": "user", "content": [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
        {"type": "text", "text": QUESTION}]}]}

    def test_message(self):
        message = self.client.messages.create(**self.asked, max_tokens=48)
        self.assertIn("two objects", message.content[0].text)
        self.assertEqual(message.stop_reason, "end_turn")
        self.assertGreater(message.usage.output_tokens, 3)
        self.assertEqual(self.client.messages.create(**self.asked, max_tokens=2).stop_reason, "max_tokens")

    def test_stream(self):
        with self.client.messages.stream(**self.asked, max_tokens=48) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        self.assertIn("two objects", text)
        self.assertEqual(final.content[0].text, text)
        self.assertEqual(final.stop_reason, "end_turn")
        self.assertGreater(final.usage.output_tokens, 3)

    def test_tools(self):
        tools = [{"name": f["name"], "input_schema": f["parameters"]} for f in (PAINT, COUNT)]
        asked = {**self.asked, "tools": tools, "max_tokens": 256, **WITH_TEMPLATE}
        forced = {**asked, "tool_choice": {"type": "tool", "name": "count"}}
        message = self.client.messages.create(**forced)
        call, = message.content
        self.assertEqual((message.stop_reason, call.type, call.name), ("tool_use", "tool_use", "count"))
        self.assertIn(call.input["shape"], SHAPES)

        with self.client.messages.stream(**forced) as stream:
            events = list(stream)
            final = stream.get_final_message()
        started = next(event for event in events if event.type == "content_block_start")
        self.assertEqual((started.index, started.content_block.name), (0, "count"))
        pieces = [event.partial_json for event in events if event.type == "input_json"]
        self.assertGreater(len(pieces), 2)
        self.assertEqual(json.loads("".join(pieces)), call.input)
        self.assertEqual(([block.input for block in final.content], final.stop_reason), ([call.input], "tool_use"))

        told = [*asked["messages"], {"role": "assistant", "content": message.content},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "three"}]}]
        after = self.client.messages.create(**{**asked, "messages": told, "max_tokens": 8}, tool_choice={"type": "none"})
        self.assertEqual([block.type for block in after.content], ["text"])
        self.assertGreater(len(after.content[0].text), 0)

    def test_count_tokens(self):
        counted = self.client.messages.count_tokens(**self.asked).input_tokens
        usage = self.client.messages.create(**self.asked, max_tokens=2).usage
        self.assertEqual(counted, usage.input_tokens + usage.cache_read_input_tokens)

    def test_what_is_wrong(self):
        with self.assertRaises(anthropic.NotFoundError):
            self.client.messages.create(**{**self.asked, "model": "claude"}, max_tokens=2)
        with self.assertRaises(anthropic.BadRequestError):
            self.client.messages.create(**self.asked, max_tokens=2, stop_sequences=[""])
        with self.assertRaises(anthropic.AuthenticationError):
            anthropic.Anthropic(base_url=URL, api_key="wrong", max_retries=0).messages.create(**self.asked, max_tokens=2)


class Ollama(unittest.TestCase):
    client = ollama.Client(host=URL, headers={"Authorization": "Bearer " + KEY})
    messages = [{"role": "user", "content": QUESTION, "images": [PICTURE]}]

    def test_chat(self):
        answer = self.client.chat(model=LLAVA, messages=self.messages, options={"num_predict": 48})
        self.assertIn("two objects", answer.message.content)
        self.assertEqual(answer.done_reason, "stop")
        self.assertGreater(answer.eval_count, 3)
        pieces = list(self.client.chat(model=LLAVA, messages=self.messages, stream=True))
        self.assertEqual("".join(p.message.content for p in pieces), answer.message.content)
        self.assertTrue(pieces[-1].done)

    def test_generate(self):
        answer = self.client.generate(model=LLAVA + ":latest", prompt=QUESTION, images=[PICTURE])
        self.assertIn("two objects", answer.response)

    def test_tools(self):
        asked = {"model": LLAVA, "tools": [{"type": "function", "function": f} for f in (PAINT, COUNT)]}
        # The client lets nothing else of ours through.
        options = {"template": TEMPLATE, "num_predict": 256}
        forced = {**options, "tool_choice": {"type": "function", "function": {"name": "count"}}}
        answer = self.client.chat(**asked, messages=self.messages, options=forced).message
        call, = answer.tool_calls
        self.assertEqual(call.function.name, "count")
        self.assertIn(call.function.arguments["shape"], SHAPES)
        lines = list(self.client.chat(**asked, messages=self.messages, options=forced, stream=True))
        self.assertEqual([c.function for line in lines for c in line.message.tool_calls or []], [call.function])
        told = [*self.messages, answer, {"role": "tool", "tool_name": "count", "content": "three"}]
        after = self.client.chat(**asked, messages=told, options={**options, "tool_choice": "none", "num_predict": 8}).message
        self.assertFalse(after.tool_calls)
        self.assertGreater(len(after.content), 0)

    def test_models(self):
        self.assertEqual([m.model for m in self.client.list().models], [LLAVA, FLAMINGO, ONELLM])
        self.assertIn("vision", self.client.show(LLAVA).capabilities)
        self.assertEqual(len(self.client.ps().models), 3)

    def test_embed(self):
        self.assertEqual(len(self.client.embed(model=LLAVA, input=["a", "b"]).embeddings), 2)

    def test_what_is_wrong(self):
        with self.assertRaises(ollama.ResponseError) as wrong:
            self.client.chat(model="llama3", messages=self.messages)
        self.assertEqual(wrong.exception.status_code, 404)


unittest.main(argv=sys.argv[:1])
