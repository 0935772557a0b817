"""Calls of tools that a request to `issun serve` forces, by the template's form and the tools' schemas."""
import json

import program
from program import DEFAULT, ProgramTest
from serving import serving

TEMPLATE = """{%- if tools %}<|im_start|>system
Call with <tool_call>
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% endif %}{%- for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}{% for c in m.tool_calls or [] %}{% if not loop.first %}
{% endif %}<tool_call>
{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
PYTHON_TEMPLATE = TEMPLATE.replace(
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}',
    "[{{ c.function.name }}(x=1)]")
HELLO = [{"role": "user", "content": "What is the weather in Paris?"}]
CITY = {"type": "object", "required": ["city", "days"],
        "properties": {"city": {"enum": ["Paris", "Rome"]},
                       "days": {"$ref": "#/$defs/count"}},
        "$defs": {"count": {"type": "integer", "minimum": 1, "maximum": 9}}}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "d", "parameters": CITY}},
         {"type": "function", "function": {"name": "stop_clock"}}]

# Tokens: a schema allows letters that take six characters each, and many spaces between.
ROOM = 800


def ask(**more):
    return {"messages": HELLO, "tools": TOOLS, "temperature": 1.5, "seed": 3, "max_tokens": ROOM, **more}


def named(name):
    return {"type": "function", "function": {"name": name}}


class Calls(ProgramTest):
    def template(self, text=TEMPLATE):
        path = self.folder / "template.jinja"
        path.write_text(text)
        return "--chat-template-file", path

    def check_weather(self, arguments):
        found = json.loads(arguments) if isinstance(arguments, str) else arguments
        self.assertEqual(set(found), {"city", "days"})
        self.assertIn(found["city"], ("Paris", "Rome"))
        self.assertIn(found["days"], range(1, 10))

    def test_a_call_that_is_forced_follows_the_schema_in_every_api(self):
        with serving(DEFAULT, "--ctx-size", 2048, *self.template()) as server:
            for seed in range(4):
                answer = server.ask("/v1/chat/completions",
                                    ask(tool_choice=named("weather"), seed=seed,
                                        parallel_tool_calls=False))
                self.assertEqual(answer.status, 200, answer.body)
                choice = answer.json["choices"][0]
                self.assertEqual(choice["finish_reason"], "tool_calls")
                self.assertIsNone(choice["message"]["content"])
                (call,) = choice["message"]["tool_calls"]
                self.assertEqual(call["function"]["name"], "weather")
                self.check_weather(call["function"]["arguments"])
            required = server.ask("/v1/chat/completions", ask(tool_choice="required"))
            for call in required.json["choices"][0]["message"]["tool_calls"]:
                self.assertIn(call["function"]["name"], ("weather", "stop_clock"))
            allowed = server.ask("/v1/chat/completions", ask(parallel_tool_calls=False, tool_choice={
                "type": "allowed_tools", "allowed_tools": {
                    "mode": "required", "tools": [named("stop_clock")]}}))
            (call,) = allowed.json["choices"][0]["message"]["tool_calls"]
            self.assertEqual({**call["function"], "arguments": json.loads(call["function"]["arguments"])},
                             {"name": "stop_clock", "arguments": {}})
            events = server.events("/v1/chat/completions",
                                   ask(tool_choice=named("weather"), parallel_tool_calls=False,
                                       stream=True))
            calls = [call for event in events[:-1] for choice in event["choices"]
                     for call in choice["delta"].get("tool_calls", [])]
            self.assertEqual(len(calls), 1)
            self.check_weather(calls[0]["function"]["arguments"])
            self.assertEqual(events[-2]["choices"][0]["finish_reason"], "tool_calls")

            response = server.ask("/v1/responses", {
                "input": HELLO, "seed": 3, "max_output_tokens": ROOM, "parallel_tool_calls": False,
                "tools": [{"type": "function", "name": "weather", "parameters": CITY}],
                "tool_choice": {"type": "function", "name": "weather"}})
            self.assertEqual(response.status, 200, response.body)
            (item,) = response.json["output"]
            self.assertEqual((item["type"], item["name"]), ("function_call", "weather"))
            self.check_weather(item["arguments"])
            self.assertFalse(response.json["parallel_tool_calls"])
            message = server.ask("/v1/messages", {
                "messages": HELLO, "seed": 3, "max_tokens": ROOM,
                "tools": [{"name": "weather", "input_schema": CITY}],
                "tool_choice": {"type": "any", "disable_parallel_tool_use": True}})
            self.assertEqual(message.status, 200, message.body)
            self.assertEqual(message.json["stop_reason"], "tool_use")
            (block,) = message.json["content"]
            self.check_weather(block["input"])

    def test_schemas_that_speak_of_other_names_stay_open(self):
        def forced(server, parameters):
            tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
            return server.ask("/v1/chat/completions",
                              ask(tools=[tool], tool_choice="required", parallel_tool_calls=False))
        a = {"a": {"type": "integer"}}
        with serving(DEFAULT, "--ctx-size", 2048, *self.template()) as server:
            for schema in ({"properties": a, "required": ["a"],
                            "dependentSchemas": {"a": {"required": ["b"]}}},
                           {"properties": a, "required": ["a"], "dependentRequired": {"a": ["b"]}},
                           {"properties": a, "required": ["b"]},
                           {"type": ["object", "null"], "properties": a},
                           True):
                with self.subTest(schema=schema):
                    answer = forced(server, schema)
                    self.assertEqual(answer.status, 200, answer.body)
            for schema in ({"enum": [{"a": 1}]}, {"const": {"a": 1}}):
                (call,) = forced(server, schema).json["choices"][0]["message"]["tool_calls"]
                self.assertEqual(json.loads(call["function"]["arguments"]), {"a": 1})
            for schema in (False, {"type": ["string", "null"]}, {"type": "array"}):
                self.assertEqual(forced(server, schema).status, 400, schema)

    def test_what_cannot_be_forced_is_said(self):
        with serving(DEFAULT, "--ctx-size", 512, *self.template()) as server:
            def refused(status, *naming, **more):
                answer = server.ask("/v1/chat/completions", ask(**more))
                self.assertEqual(answer.status, status, answer.body)
                for text in naming:
                    self.assertIn(text, answer.json["error"]["message"])
                return answer.json["error"]
            refused(400, "tool_choice", "'maybe'", tool_choice="maybe")
            refused(400, "tool_choice.function.name: ", "'rain'", tool_choice=named("rain"))
            refused(400, "tool_choice.name: ", "'rain'", tool_choice={"type": "function", "name": "rain"})
            # A prompt that has no room is refused as that, whatever its tools are.
            long_one = server.ask("/v1/chat/completions", ask(
                messages=[{"role": "user", "content": "word " * 800}], tool_choice="required",
                tools=[{"type": "function", "function": {"name": "f", "parameters": {
                    "type": "object", "unevaluatedProperties": False}}}]))
            self.assertEqual(long_one.json["error"]["code"], "context_length_exceeded")
            refused(400, "tools", tool_choice="required", tools=[])
            refused(400, "response_format", tool_choice="required",
                    response_format={"type": "json_object"})
            error = refused(400, "tools[0].function.parameters", "unevaluatedProperties",
                            tool_choice="required", tools=[{"type": "function", "function": {
                                "name": "f", "parameters": {"type": "object", "properties": {},
                                                            "unevaluatedProperties": False}}}])
            self.assertEqual(error["param"], "tools[0].function.parameters")
            self.assertTrue(error["message"].startswith(error["param"] + ": "), error)
        with serving(DEFAULT, "--ctx-size", 512, *self.template(PYTHON_TEMPLATE)) as server:
            answer = server.ask("/v1/chat/completions", ask(tool_choice="required"))
            self.assertEqual(answer.status, 501, answer.body)
            self.assertIn("template", answer.json["error"]["message"])


if __name__ == "__main__":
    program.main()
