"""`issun serve` asked as clients ask: every endpoint, many at once, wrong requests, rude clients."""
import base64
import concurrent.futures
import json
import socket
import struct
import time

import program
from program import DEFAULT, ProgramTest, SOURCE, STORIES
from serving import serving

EMBEDDER = SOURCE / "models" / "issun-embed.gguf"
HELLO = [{"role": "user", "content": "Repeat the word \"lantern\"."}]
GREEDY = {"temperature": 0, "max_tokens": 24}


def chat(**more):
    return {"messages": HELLO, **GREEDY, **more}


class Talks(ProgramTest):
    def test_a_chat_is_what_run_answers_streamed_or_whole(self):
        run = json.loads(self.succeed("run", DEFAULT, "-p", HELLO[0]["content"], "--temp", "0", "-n", 24,
                                      "--json").text)
        with serving(DEFAULT, "--ctx-size", 1024) as server:
            whole = server.ask("/v1/chat/completions", chat())
            self.assertEqual(whole.status, 200, whole.body)
            message = whole.json["choices"][0]["message"]
            self.assertEqual(message["content"], run["content"])
            self.assertEqual(whole.json["usage"]["completion_tokens"], run["generated_tokens"])
            events = server.events("/v1/chat/completions",
                                   chat(stream=True, stream_options={"include_usage": True}))
            self.assertEqual(events[-1], "[DONE]")
            said = "".join(choice["delta"].get("content") or ""
                           for event in events[:-1] for choice in event["choices"])
            self.assertEqual(said, run["content"])
            self.assertEqual(events[-2]["usage"]["completion_tokens"], run["generated_tokens"])
            self.assertGreater(events[-2]["usage"]["prompt_tokens_details"]["cached_tokens"], 0)
            reasons = [choice["finish_reason"] for event in events[:-1] for choice in event["choices"]]
            self.assertEqual(reasons[-1], whole.json["choices"][0]["finish_reason"])
            self.assertEqual(set(reasons[:-1]), {None})

    def test_other_apis_give_the_same_text(self):
        with serving(DEFAULT, "--ctx-size", 1024) as server:
            expected = server.ask("/v1/chat/completions",
                                  chat()).json["choices"][0]["message"]["content"]
            options = {"temperature": 0, "num_predict": 24}
            ollama = server.ask("/api/chat", {"model": "issun-27m", "messages": HELLO,
                                              "stream": False, "options": options})
            self.assertEqual(ollama.json["message"]["content"], expected)
            self.assertTrue(ollama.json["done"])
            lines = server.ask("/api/chat", {"model": "issun-27m:latest", "messages": HELLO,
                                             "options": options}).body.decode().splitlines()
            parts = [json.loads(line) for line in lines]
            self.assertEqual("".join(part["message"]["content"] for part in parts), expected)
            self.assertEqual([part["done"] for part in parts], [False] * (len(parts) - 1) + [True])
            made = server.ask("/api/generate", {"model": "issun-27m", "prompt": HELLO[0]["content"],
                                                "stream": False, "options": options})
            self.assertEqual(made.json["response"], expected)
            response = server.ask("/v1/responses", {"input": HELLO[0]["content"], "temperature": 0,
                                                    "max_output_tokens": 24})
            self.assertEqual(response.json["output"][0]["content"][0]["text"], expected)
            events = server.events("/v1/responses",
                                   {"input": HELLO, "temperature": 0, "max_output_tokens": 24,
                                    "stream": True})
            self.assertEqual([event["sequence_number"] for event in events],
                             list(range(len(events))))
            self.assertEqual("".join(event["delta"] for event in events
                                     if event["type"] == "response.output_text.delta"), expected)
            self.assertEqual(events[-1]["response"]["output"][0]["content"][0]["text"], expected)
            message = server.ask("/v1/messages", {"messages": HELLO, **GREEDY})
            self.assertEqual(message.json["content"], [{"type": "text", "text": expected}])
            events = server.events("/v1/messages", {"messages": HELLO, **GREEDY, "stream": True})
            self.assertEqual("".join(event["delta"]["text"] for event in events
                                     if event["type"] == "content_block_delta"), expected)
            self.assertEqual(events[-1]["type"], "message_stop")

    def test_choices_constraints_stops_and_probabilities(self):
        with serving(DEFAULT, "--ctx-size", 1024, "--parallel", 4) as server:
            several = server.ask("/v1/chat/completions",
                                 {"messages": HELLO, "n": 3, "seed": 5, "temperature": 1.5,
                                  "max_tokens": 8})
            self.assertEqual([choice["index"] for choice in several.json["choices"]], [0, 1, 2])
            again = server.ask("/v1/chat/completions",
                               {"messages": HELLO, "n": 3, "seed": 5, "temperature": 1.5,
                                "max_tokens": 8})
            self.assertEqual([c["message"]["content"] for c in several.json["choices"]],
                             [c["message"]["content"] for c in again.json["choices"]])
            schema = {"enum": ["harbour", "candle"]}
            bound = server.ask("/v1/chat/completions", chat(response_format={
                "type": "json_schema", "json_schema": {"name": "w", "schema": schema}}))
            self.assertIn(json.loads(bound.json["choices"][0]["message"]["content"]),
                          ("harbour", "candle"))
            free = server.ask("/v1/completions", {"prompt": "Once upon a time", **GREEDY})
            text = free.json["choices"][0]["text"]
            middle = text[len(text) // 2:][:3]
            stopped = server.ask("/v1/completions",
                                 {"prompt": "Once upon a time", **GREEDY, "stop": [middle]})
            self.assertEqual(stopped.json["choices"][0]["text"], text.split(middle)[0])
            self.assertEqual(stopped.json["choices"][0]["finish_reason"], "stop")
            likely = server.ask("/v1/chat/completions", chat(logprobs=True, top_logprobs=3,
                                                             max_tokens=4))
            content = likely.json["choices"][0]["logprobs"]["content"]
            for token in content:
                self.assertEqual(len(token["top_logprobs"]), 3)
                self.assertAlmostEqual(token["logprob"], token["top_logprobs"][0]["logprob"], 5)
            self.assertEqual(bytes(b for token in content for b in token["bytes"]).decode(),
                             likely.json["choices"][0]["message"]["content"])

    def test_an_answer_does_not_depend_on_who_else_asks(self):
        prompts = [f"Write the following word and nothing else: word{i}" for i in range(12)]

        def ask(server, prompt):
            return server.ask("/v1/chat/completions",
                              {"messages": [{"role": "user", "content": prompt}], **GREEDY}).json[
                                  "choices"][0]["message"]["content"]

        with serving(DEFAULT, "--ctx-size", 512, "--exact", "--parallel", 6) as server:
            alone = [ask(server, prompt) for prompt in prompts]
            with concurrent.futures.ThreadPoolExecutor(12) as pool:
                together = list(pool.map(lambda prompt: ask(server, prompt), prompts))
            self.assertEqual(together, alone)

    def test_requests_that_begin_alike_share_what_they_read(self):
        long_text = "The harbour was quiet that morning. " * 40
        with serving(DEFAULT, "--ctx-size", 1024, "--parallel", 4) as server:
            def ask(i):
                return server.ask("/v1/completions", {"prompt": long_text + f"Line {i}", **GREEDY})
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                usages = [answer.json["usage"] for answer in pool.map(ask, range(4))]
            cached = sorted(usage["prompt_tokens_details"]["cached_tokens"] for usage in usages)
            self.assertGreater(cached[1], 0.8 * usages[0]["prompt_tokens"], cached)


class Vectors(ProgramTest):
    def test_embeddings_are_those_of_embed_in_both_encodings(self):
        texts = ["a lantern by the sea", "海のそばの灯台"]
        flags = [part for text in texts for part in ("-p", text)]
        run = json.loads(self.succeed("embed", EMBEDDER, "--json", *flags).text)["embeddings"]
        with serving(EMBEDDER) as server:
            plain = server.ask("/v1/embeddings", {"input": texts})
            packed = server.ask("/v1/embeddings", {"input": texts, "encoding_format": "base64"})
            for i in range(2):
                vector = plain.json["data"][i]["embedding"]
                for mine, theirs in zip(vector, run[i]["embedding"]):
                    self.assertAlmostEqual(mine, theirs, 5)
                raw = base64.b64decode(packed.json["data"][i]["embedding"])
                for mine, theirs in zip(struct.unpack(f"<{len(vector)}f", raw), vector):
                    self.assertAlmostEqual(mine, theirs, 6)
            ollama = server.ask("/api/embed", {"model": "issun-embed", "input": texts[0]})
            self.assertEqual(len(ollama.json["embeddings"][0]), len(run[0]["embedding"]))
            self.assertEqual(server.ask("/v1/chat/completions", chat()).status, 501)
            self.assertEqual(server.ask("/v1/embeddings", {"input": []}).status, 400)


class Small(ProgramTest):
    def test_status_tokens_and_templates(self):
        with serving("--ctx-size", 512) as server:
            self.assertEqual(server.ask("/health").json, {"status": "ok"})
            self.assertEqual(server.ask("/v1/models").json["data"][0]["id"], "issun-27m")
            self.assertEqual(server.ask("/props").json["default_generation_settings"]["n_ctx"], 512)
            tokens = server.ask("/tokenize", {"content": "Hello 世界"}).json["tokens"]
            self.assertEqual(server.ask("/detokenize", {"tokens": tokens}).json["content"],
                             "Hello 世界")
            prompt = server.ask("/apply-template", {"messages": HELLO}).json["prompt"]
            self.assertIn("lantern", prompt)
            self.assertEqual(server.ask("/api/version").status, 200)
            self.assertEqual(server.ask("/api/tags").json["models"][0]["name"], "issun-27m:latest")
            self.assertIn("capabilities", server.ask("/api/show", {"model": "issun-27m"}).json)
            server.ask("/v1/chat/completions", chat())
            metrics = dict(line.split(" ") for line in server.ask("/metrics").body.decode().splitlines()
                           if not line.startswith("#"))
            self.assertEqual(metrics["issun_requests_total"], "1")
            self.assertGreater(float(metrics["issun_predicted_tokens_total"]), 0)

    def test_what_is_wrong_is_named(self):
        with serving("--ctx-size", 128) as server:
            def refused(body, status, *naming, path="/v1/chat/completions"):
                answer = server.ask(path, body)
                self.assertEqual(answer.status, status, answer.body)
                for text in naming:
                    self.assertIn(text, answer.body.decode())
                return answer.json["error"]
            refused(b"{", 400, "not JSON")
            refused(b"\xff\xfe", 400, "not JSON")
            refused(b"[" * 100000, 400)
            refused({}, 400, "messages")
            refused({"messages": []}, 400, "messages")
            refused({"messages": [{"role": "robot", "content": "x"}]}, 400, "messages[0].role")
            refused({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400,
                    "messages[0].content[0].type")
            refused(chat(temperature="hot"), 400, "temperature", "a number")
            refused(chat(top_p=2), 400, "top_p")
            refused(chat(n=0), 400, "n:")
            refused(chat(model="gpt-9"), 404, "gpt-9")
            refused(chat(stop=[""]), 400, "stop")
            refused(chat(grammar="root ::= ("), 400, "grammar")
            refused(chat(response_format={"type": "json_schema", "json_schema": {
                "name": "x", "schema": {"type": "object", "unevaluatedProperties": False}}}), 400,
                    "unevaluatedProperties")
            refused(chat(tool_choice="required", tools=[]), 400, "tools")
            error = refused({"messages": [{"role": "user", "content": "word " * 500}]}, 400, "128")
            self.assertEqual(error["code"], "context_length_exceeded")
            self.assertGreater(error["n_prompt_tokens"], 128)
            self.assertEqual(error["n_ctx"], 128)
            refused({"prompt": [5, -1]}, 400, "prompt", path="/v1/completions")
            self.assertEqual(server.ask("/v1/chat/completions").status, 405)
            self.assertEqual(server.ask("/etc/passwd").status, 404)
            self.assertEqual(server.ask("/../../etc/passwd").status, 404)
            odd = server.ask("/v1/chat/completions", chat(shoe_size=44))
            self.assertEqual(odd.status, 200)
            self.assertEqual(odd.headers["x-issun-unknown-fields"], "shoe_size")

    def test_keys_hosts_and_origins(self):
        with serving("--ctx-size", 128, "--api-key", "secret") as server:
            self.assertEqual(server.ask("/v1/models").status, 401)
            self.assertEqual(server.ask("/health").status, 200)
            self.assertEqual(server.ask("/v1/models",
                                        headers={"Authorization": "Bearer secret"}).status, 200)
            self.assertEqual(server.ask("/health", headers={"Host": "evil.example"}).status, 403)
            self.assertEqual(server.ask("/health",
                                        headers={"Origin": "https://evil.example"}).status, 403)

    def test_flags_that_are_wrong_are_refused_before_anything_is_loaded(self):
        self.refuse("serve", STORIES, "--host", "nowhere", naming=("--host", "nowhere"))
        self.refuse("serve", STORIES, "--port", "70000", status=2, naming=("--port",))
        self.refuse("serve", STORIES, "--api-key-file", SOURCE / "none", naming=("none",))
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.refuse("serve", STORIES, "--port", port, naming=(str(port),))


class Rude(ProgramTest):
    """Clients that do not behave, and one beside them that does."""

    def test_a_client_that_goes_frees_its_place_and_the_next_is_served(self):
        with serving("--ctx-size", 4096, "--parallel", 1) as server:
            rude = server.connect()
            rude.request("POST", "/v1/completions",
                         json.dumps({"prompt": "Once", "max_tokens": 4000, "ignore_eos": True,
                                     "stream": True}), {"Content-Type": "application/json"})
            self.assertTrue(rude.getresponse().read1(10))
            rude.sock.close()
            rude.close()
            end = time.monotonic() + 20
            while server.ask("/slots").json["running"]:
                self.assertLess(time.monotonic(), end, "still running for nobody")
                time.sleep(0.02)
            self.assertEqual(server.ask("/v1/chat/completions", chat()).status, 200)

    def test_a_full_queue_is_said_and_when_to_come_again(self):
        with serving("--ctx-size", 4096, "--parallel", 1, "--max-queue", 1) as server:
            body = {"prompt": "Once", "max_tokens": 300, "ignore_eos": True}
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda _: server.ask("/v1/completions", body, timeout=300),
                                        range(8)))
            statuses = sorted(answer.status for answer in answers)
            self.assertEqual(set(statuses), {200, 503})
            full = next(answer for answer in answers if answer.status == 503)
            self.assertIn("retry-after", full.headers)

    def test_grammars_that_ask_for_too_much_are_refused_and_others_go_on(self):
        ways = range(4000)
        wide = "root ::= " + " | ".join(f"r{i}" for i in ways) + "".join(
            f"\nr{i} ::= [a-zA-Z0-9 ]{{70}} \"!\"" for i in ways)
        with serving("--ctx-size", 256) as server:
            for grammar, why in (("root ::= (\"x\"?){90000}", "steps"), (wide, "steps for a token")):
                began = time.monotonic()
                with concurrent.futures.ThreadPoolExecutor(2) as pool:
                    rude = pool.submit(server.ask, "/v1/completions",
                                       {"prompt": "Once", "grammar": grammar, "max_tokens": 60})
                    beside = pool.submit(server.ask, "/v1/chat/completions", chat(max_tokens=4))
                    self.assertEqual(beside.result().status, 200)
                    refused = rude.result()
                self.assertEqual(refused.status, 400, refused.body)
                self.assertIn(why, refused.json["error"]["message"])
                self.assertLess(time.monotonic() - began, 60)

    def test_it_ends_while_vectors_are_made(self):
        body = json.dumps({"input": ["The lantern by the harbour. " * 40] * 2000})
        with serving(EMBEDDER, "--shutdown-timeout", 0) as server:
            connection = server.connect()
            connection.request("POST", "/v1/embeddings", body, {"Content-Type": "application/json"})
            time.sleep(1)
            self.assertEqual(server.ask("/health").status, 200)
        connection.close()

    def test_where_none_may_wait_vectors_are_made_one_request_at_a_time(self):
        with serving(EMBEDDER, "--max-queue", 0, "--shutdown-timeout", 0) as server:
            self.assertEqual(server.ask("/v1/embeddings", {"input": "x"}).status, 200)
            time.sleep(0.5)
            body = json.dumps({"input": ["The lantern by the harbour. " * 40] * 2000})
            connection = server.connect()
            connection.request("POST", "/v1/embeddings", body, {"Content-Type": "application/json"})
            time.sleep(1)
            self.assertEqual(server.ask("/v1/embeddings", {"input": "x"}).status, 503)
            connection.close()

    def test_many_texts_to_vectors_keep_nobody_else_waiting(self):
        with serving("--ctx-size", 256, "--embedding-model", EMBEDDER, "--max-queue", 2) as server:
            body = json.dumps({"input": ["The lantern by the harbour. " * 40] * 2000})
            rude = [server.connect() for _ in range(3)]
            for connection in rude:
                connection.request("POST", "/v1/embeddings", body, {"Content-Type": "application/json"})
                time.sleep(0.3)
            self.assertEqual(server.ask("/v1/embeddings", {"input": "x"}).status, 503)
            began = time.monotonic()
            for _ in range(3):
                self.assertEqual(server.ask("/v1/chat/completions", chat(max_tokens=4)).status, 200)
            for connection in rude:
                connection.close()
            while server.ask("/v1/embeddings", {"input": "x"}).status != 200:
                self.assertLess(time.monotonic() - began, 60)
                time.sleep(0.1)

    def test_what_is_no_http_too_long_or_too_slow_ends_alone(self):
        with serving("--ctx-size", 128, "--read-timeout", 1, "--max-body", 0.01,
                     "--max-connections", 20) as server:
            def talk(data, wait=5):
                with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as raw:
                    raw.sendall(data)
                    try:
                        return raw.recv(65536)
                    except (TimeoutError, ConnectionError):
                        return b""
            self.assertIn(b" 400 ", talk(b"\x00\x01\x02 nonsense\r\n\r\n"))
            self.assertIn(b" 431 ", talk(b"GET / HTTP/1.1\r\nX: " + b"a" * 100000 + b"\r\n\r\n"))
            self.assertIn(b" 413 ", talk(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
                                         b"Content-Length: 99999999\r\n\r\n"))
            began = time.monotonic()
            self.assertEqual(talk(b"POST /v1/completions HTTP/1.1\r\nHost: loc", 20), b"")
            self.assertLess(time.monotonic() - began, 15)
            idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(60)]
            time.sleep(0.3)
            for raw in idle:
                raw.close()
            end = time.monotonic() + 20
            while True:
                try:
                    if server.ask("/health").status == 200:
                        break
                except ConnectionError:
                    pass
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)


if __name__ == "__main__":
    program.main()
