"""A talk through a template: what is thought, said and called, and every flag of the choice of tokens.

What the model would rather say does not matter: a grammar makes it write what is to be read.
"""
import json

import program
from program import ProgramTest, STORIES

TEMPLATE = ("{% if tools %}{{ tools | tojson }}\n{% endif %}{% for m in messages %}{{ m.role }}: "
            "{{ m.content }}\n{% endfor %}{# <think></think> <tool_call></tool_call> #}"
            "{% if enable_thinking is defined and not enable_thinking %}(no){% endif %}{{ mood }}"
            "assistant:")
TOOLS = [{"type": "function", "function": {
    "name": "f", "description": "d",
    "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}}}]
CALL = '<tool_call>{"name": "f", "arguments": {"n": 2}}</tool_call>'


class Talk(ProgramTest):
    def setUp(self):
        super().setUp()
        self.tools = self.folder / "tools.json"
        self.tools.write_text(json.dumps(TOOLS))

    def run_saying(self, text, *more):
        """A run whose answer is `text`, as the model writes it."""
        grammar = "root ::= " + json.dumps(text, ensure_ascii=False)
        return self.succeed("run", STORIES, "-p", "Hi", "--chat-template", TEMPLATE, "--grammar", grammar,
                            *more)

    def test_thought_content_and_calls_come_apart_as_json(self):
        text = "<think>\nhm\n</think>\n\nYes.\n" + CALL
        report = json.loads(self.run_saying(text, "--tools", self.tools, "--json").text)
        self.assertEqual(report["text"], text)
        self.assertEqual(report["content"], "Yes.")
        self.assertEqual(report["reasoning"], "hm")
        (call,) = report["tool_calls"]
        self.assertEqual(call["function"]["name"], "f")
        self.assertEqual(json.loads(call["function"]["arguments"]), {"n": 2})
        self.assertEqual(call["id"], "call00001")

    def test_the_answer_goes_to_stdout_and_the_thought_to_stderr(self):
        text = "<think>hm</think>Yes."
        done = self.run_saying(text)
        self.assertEqual(done.text, "Yes.\n")
        self.assertIn(b"hm", done.err)
        self.assertNotIn(b"think", done.err)
        hidden = self.run_saying(text, "--hide-thinking")
        self.assertEqual(hidden.text, "Yes.\n")
        self.assertEqual(hidden.err, b"")

    def test_a_call_is_a_line_of_json(self):
        done = self.run_saying("Well. " + CALL + "\n" + CALL, "--tools", self.tools)
        lines = done.text.splitlines()
        self.assertEqual(lines[0], "Well.")
        self.assertEqual([json.loads(line) for line in lines[1:]],
                         [{"name": "f", "arguments": {"n": 2}}] * 2)

    def test_a_call_stays_on_its_line_whatever_stands_around_and_in_it(self):
        call = {"name": "f", "arguments": {"n": 2}}
        broken = '<tool_call>{"a '  # a text that never ends holds back all that follows
        pretty = "<tool_call>" + json.dumps(call, indent=1) + "</tool_call>"
        for text, lines in ((CALL + "After. " + CALL, (call, "After.", call)),
                            (broken + CALL + "After.", (broken.rstrip(), call, "After.")),
                            (pretty + "\n" + CALL, (call, call))):
            with self.subTest(text=text):
                found = self.run_saying(text, "--tools", self.tools).text.splitlines()
                self.assertEqual([json.loads(line) if line[0] == "{" else line for line in found],
                                 list(lines))

    def test_what_is_no_call_is_content(self):
        for text, more in ((CALL, ()), ("<tool_call>{oh</tool_call>", ("--tools", self.tools))):
            with self.subTest(text=text):
                self.assertEqual(self.run_saying(text, *more).text, text + "\n")

    def test_a_stop_text_counts_across_tokens_and_the_first_complete_one_ends(self):
        for stops, shown in ((("END",), "ab "), (("END b", "ND"), "ab E"), (("END d",), "ab END c")):
            with self.subTest(stops=stops):
                more = [word for stop in stops for word in ("--stop", stop)]
                self.assertEqual(self.run_saying("ab END c", *more).text, shown + "\n")

    def prompt_tokens(self, *more):
        report = json.loads(self.succeed("run", STORIES, "-p", "Hi", "--json", "-n", 0, "--chat-template",
                                         TEMPLATE, *more).text)
        return report["prompt_tokens"]

    def test_tools_thinking_and_variables_reach_the_template(self):
        plain = self.prompt_tokens()
        self.assertGreater(self.prompt_tokens("--tools", self.tools), plain)
        for name in ("--reasoning", "--think"):
            self.assertGreater(self.prompt_tokens(name, "off"), plain)
            self.assertEqual(self.prompt_tokens(name, "on"), plain)
        self.assertGreater(self.prompt_tokens("--chat-template-kwargs", '{"mood": "glad"}'), plain)
        path = self.folder / "template.jinja"
        path.write_text(TEMPLATE)
        from_file = json.loads(self.succeed("run", STORIES, "-p", "Hi", "--json", "-n", 0,
                                            "--chat-template-file", path).text)
        self.assertEqual(from_file["prompt_tokens"], plain)

    def test_templates_are_known_by_name(self):
        for name in ("chatml", "gemma", "llama2", "llama3", "phi3", "zephyr"):
            with self.subTest(name=name):
                self.succeed("run", STORIES, "-p", "Hi", "-n", 2, "--chat-template", name)

    def test_what_the_template_cannot_do_is_refused(self):
        def refuse(*more, naming):
            self.refuse("run", STORIES, "-p", "Hi", *more, naming=naming)
        refuse("--chat-template", "nonsense", naming=("nonsense", "chatml"))
        refuse("--chat-template", "{% if %}", naming=("line 1",))
        refuse("--tools", self.tools, naming=("tools", "this model has none"))
        refuse("--chat-template", "chatml", "--tools", self.tools, naming=("tools", "no place"))
        refuse("--chat-template", "chatml", "--reasoning", "off", naming=("reasoning", "no switch"))
        refuse("--chat-template", "chatml", "--chat-template-kwargs", '{"moody": 1}', naming=("moody",))
        refuse("--chat-template", TEMPLATE, "--chat-template-kwargs", "[]", naming=("object",))
        refuse("--chat-template", TEMPLATE, "--chat-template-kwargs", '{"messages": []}', naming=("messages",))
        refuse("--chat-template", TEMPLATE, "--reasoning", "on", "--chat-template-kwargs",
               '{"enable_thinking": false}', naming=("enable_thinking", "reasoning"))
        for text in ("{}", "[]", "[1]", "x"):
            self.tools.write_text(text)
            refuse("--chat-template", TEMPLATE, "--tools", self.tools, naming=("tools.json",))


class Sampling(ProgramTest):
    def story(self, *more, tokens=40):
        return self.succeed("run", STORIES, "-p", "Once", "-n", tokens, "--seed", 7, *more).text

    def test_each_flag_makes_a_difference(self):
        plain = self.story("--temp", 3)
        for more in (("--typical", 0.3), ("--top-nsigma", 0.5), ("--xtc-probability", 1, "--xtc-threshold",
                                                                 0.05),
                     ("--dynatemp-range", 1.4, "--dynatemp-exp", 0.5), ("--mirostat", 1),
                     ("--mirostat", 2, "--mirostat-ent", 1, "--mirostat-lr", 0.2), ("--top-k", 2),
                     ("--top-p", 0.2), ("--min-p", 0.4), ("--presence-penalty", 5),
                     ("--frequency-penalty", 5), ("--repeat-penalty", 3),
                     ("--samplers", "temperature"), ("--sampler-seq", "kt"), ("--logit-bias", "407-inf")):
            with self.subTest(more=more):
                text = self.story("--temp", 3, *more)
                self.assertNotEqual(text, plain)
                self.assertEqual(self.story("--temp", 3, *more), text)

    def test_dry_keeps_a_story_from_going_round(self):
        plain = self.story("--temp", 0, tokens=200)
        dry = self.story("--temp", 0, "--dry-multiplier", 5, "--dry-base", 2, "--dry-allowed-length", 2,
                         "--dry-penalty-last-n", -1, "--dry-sequence-breaker", "none", tokens=200)
        self.assertNotEqual(dry, plain)

    def test_values_that_say_nothing_change_nothing(self):
        plain = self.story()
        for more in (("--temp", 0.8), ("--typical", 1), ("--top-nsigma", -1), ("--xtc-probability", 0),
                     ("--dynatemp-range", 0), ("--mirostat", 0), ("--dry-multiplier", 0),
                     ("--presence-penalty", 0), ("--sampler-seq", "edskypmxt")):
            with self.subTest(more=more):
                self.assertEqual(self.story(*more), plain)

    def test_a_token_can_be_made_certain_and_impossible(self):
        token = json.loads(self.succeed("tokenize", STORIES, "-p", "dog", "--json").text)["tokens"][-1]
        report = json.loads(self.succeed("run", STORIES, "-p", "Once", "-n", 3, "--json", "--n-probs", 2,
                                         "-l", f"{token}+1000").text)
        self.assertEqual([one["id"] for one in report["probabilities"]], [token] * 3)

    def test_probabilities_are_told_best_first(self):
        report = json.loads(self.succeed("run", STORIES, "-p", "Once", "-n", 4, "--json", "--temp", 0,
                                         "--n-probs", 5).text)
        self.assertEqual(len(report["probabilities"]), 4)
        for one in report["probabilities"]:
            best = [other["logprob"] for other in one["top_logprobs"]]
            self.assertEqual(len(best), 5)
            self.assertEqual(best, sorted(best, reverse=True))
            self.assertAlmostEqual(one["logprob"], best[0], places=4)  # greedy
            self.assertLessEqual(best[0], 0)

    def test_wrong_use_names_the_flag(self):
        for more, naming in (
                (("--top-p", 2), ("top_p",)), (("--temp", -1), ("temperature",)),
                (("--xtc-threshold", 0.2), ("--xtc-probability",)),
                (("--dry-base", 2), ("--dry-multiplier",)), (("--mirostat-lr", 1), ("--mirostat",)),
                (("--mirostat", 3), ("mirostat", "3")), (("--mirostat", 2, "--top-k", 5), ("--top-k",)),
                (("--samplers", "top_k;best"), ("best", "top_n_sigma")),
                (("--samplers", "top_k", "--top-p", 0.5), ("--top-p", "top_p")),
                (("--samplers", "top_k", "--sampler-seq", "k"), ("--samplers",)),
                (("--sampler-seq", "kz"), ("z",)), (("--logit-bias", "12"), ("logit_bias", "12")),
                (("--n-probs", 3), ("--json",)), (("--reasoning", "maybe"), ("maybe",)),
                (("--raw", "--tools", "x"), ("--raw",)), (("--dynatemp-exp", 2), ("--dynatemp-range",)),
                (("--chat-template", "chatml", "--chat-template-file", "x"), ("--chat-template",)),
                (("--mirostat", 2, "--temp", 0), ("--mirostat", "temperature")),
                (("--mirostat", 2, "--samplers", "top_k;temperature"), ("--samplers", "top_k")),
                (("--mirostat", 1, "--sampler-seq", "tp"), ("--sampler-seq", "top_p")),
                (("--json", "--hide-thinking"), ("--json", "--hide-thinking")),
                (("--ignore-eos", "--grammar", 'root ::= "a"'), ("--ignore-eos", "--grammar")),
                *(((flag, ""), (flag, "not empty")) for flag in (
                    "--tools", "--chat-template", "--chat-template-file", "--chat-template-kwargs",
                    "--grammar", "--grammar-file", "--json-schema", "--json-schema-file"))):
            with self.subTest(more=more):
                self.refuse("run", STORIES, "-p", "a", *more, status=2, naming=naming)

    def test_what_a_value_makes_idle_is_taken(self):
        plain, greedy = self.story(), self.story("--temp", 0)
        for more, text in ((("--temp", 0, "--top-k", 5, "--top-p", 0.5), greedy),
                           (("--xtc-probability", 0, "--xtc-threshold", 0.2), plain),
                           (("--mirostat", 0, "--top-k", 40), plain),
                           (("--mirostat", 0, "--samplers",
                             "penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature"), plain)):
            with self.subTest(more=more):
                self.assertEqual(self.story(*more), text)
        self.assertNotEqual(self.story("--mirostat", 2, "--samplers", "temperature"), plain)

    def test_a_token_outside_the_vocabulary_is_refused(self):
        self.refuse("run", STORIES, "-p", "a", "-l", "100000+1", naming=("logit_bias", "100000"))


if __name__ == "__main__":
    program.main()
