"""clients_test.py URL KEY SOURCE_FOLDER: what the published clients make of the server's answers."""
import base64
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
