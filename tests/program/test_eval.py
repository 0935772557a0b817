"""How good a model is: divergence from a base, tasks of choice, last words and code."""
import gzip
import json
import math
import subprocess

import program
from gguf_file import GgufFile
from program import DEFAULT, ProgramTest, STORIES
from test_lora import Adapter


class Divergence(ProgramTest):
    def setUp(self):
        super().setUp()
        self.text = self.folder / "text.txt"
        self.text.write_text("Once upon a time, there was a little girl named Lily. She loved to "
                             "play outside in the park with her friends and a big red ball. " * 12)

    def kld(self, model, *more, **options):
        return json.loads(self.succeed("eval", "kld", model, "-f", self.text, "--json", *more,
                                       **options).text)

    def quantised(self, kind):
        path = self.folder / f"{kind}.gguf"
        self.succeed("quantize", STORIES, path, "--type", kind)
        return path

    def test_a_model_diverges_from_itself_by_nothing(self):
        for more in ((), ("--protocol", "halves", "-c", 256), ("-c", 100, "--stride", 33, "-b", 17),
                     ("--exact", "-t", 1), ("--cache-type", "f32", "--base-cache-type", "f32")):
            with self.subTest(more=more):
                report = self.kld(STORIES, "--base", STORIES, *more)
                for name in ("kld_nats", "kld_max", "kld_standard_error", "delta_p_rms",
                             "perplexity_ratio_standard_error"):
                    self.assertEqual(report[name], 0, name)
                self.assertEqual(report["same_top"]["share"], 1)
                self.assertEqual(report["perplexity_ratio"], 1)

    def test_coarser_weights_are_further_away_and_perplexities_are_those_of_perplexity(self):
        far = []
        for kind in ("Q8_0", "Q4_0"):
            model = self.quantised(kind)
            report = self.kld(model, "--base", STORIES, "-c", 128)
            far.append(report["kld_nats"])
            for path, prefix in ((model, ""), (STORIES, "base_")):
                alone = json.loads(self.succeed("eval", "perplexity", path, "-f", self.text, "-c",
                                                128, "--json").text)
                for name in ("perplexity", "perplexity_standard_error"):
                    self.assertAlmostEqual(report[prefix + name], alone[name], places=9)
            self.assertAlmostEqual(report["perplexity_ratio"],
                                   report["perplexity"] / report["base_perplexity"], places=9)
            self.assertEqual(report["tokens_scored"], alone["tokens_scored"])
            ordered = [report[name] for name in ("kld_median", "kld_p90", "kld_p95", "kld_p99",
                                                 "kld_p99_9", "kld_max")]
            self.assertEqual(ordered, sorted(ordered))
        self.assertGreater(far[0], 0)
        self.assertGreater(far[1], 10 * far[0])

    def test_the_divergence_is_that_of_the_logits(self):
        model = self.quantised("Q4_0")
        tokens = json.loads(self.succeed("tokenize", STORIES, "-f", self.text, "--json").text)
        tokens = tokens["tokens"][:40]
        text = self.succeed("detokenize", STORIES, "--tokens", ",".join(map(str, tokens))).out
        self.text.write_bytes(text.rstrip(b"\n"))
        report = self.kld(model, "--base", STORIES, "--cache-type", "f32", "--base-cache-type",
                          "f32")
        tokens = json.loads(self.succeed("tokenize", STORIES, "-f", self.text, "--json").text)
        tokens = tokens["tokens"]
        self.assertEqual(report["tokens_scored"], len(tokens) - 1)

        def log_softmax(row):
            most = max(row)
            total = math.log(math.fsum(math.exp(x - most) for x in row)) + most
            return [x - total for x in row]
        base, other = (self.logits(path, tokens, "--cache-type", "f32")
                       for path in (STORIES, model))
        divergences = []
        for t in range(len(tokens) - 1):
            p, q = (log_softmax(rows[512 * t:512 * (t + 1)]) for rows in (base, other))
            divergences.append(math.fsum(math.exp(a) * (a - b) for a, b in zip(p, q)))
        self.assertAlmostEqual(report["kld_nats"], math.fsum(divergences) / len(divergences),
                               delta=1e-6)
        self.assertAlmostEqual(report["kld_max"], max(divergences), delta=1e-5)

    def test_without_a_base_the_cache_is_judged_or_nothing_is(self):
        report = self.kld(STORIES, "--base-cache-type", "f32")
        self.assertGreater(report["kld_nats"], 0)
        self.assertLess(report["kld_nats"], 1e-3)
        self.assertEqual((report["cache"], report["base_cache"]), ("F16", "F32"))
        self.assertEqual(report["base"], report["model"])
        self.refuse("eval", "kld", STORIES, "-f", self.text, naming=("--base", "--cache-type"))

    def test_an_adapter_is_judged_against_the_model_without_it(self):
        model = GgufFile(STORIES)
        path = self.folder / "adapter.gguf"
        Adapter(model, ["blk.1.attn_q.weight", "blk.3.ffn_up.weight"], seed=1).write(model, path)
        report = self.kld(STORIES, "--lora", path)
        self.assertGreater(report["kld_nats"], 1e-4)
        less = self.kld(STORIES, "--lora-scaled", f"{path}:0.1")
        self.assertLess(less["kld_nats"], report["kld_nats"] / 10)
        self.assertGreater(less["kld_nats"], 0)

    def test_a_base_that_was_kept_gives_what_the_base_itself_gives(self):
        model, kept = self.quantised("Q4_0"), self.folder / "kept"
        for windows in (("-c", 128), ("-c", 100, "--protocol", "halves")):
            with self.subTest(windows=windows):
                beside = self.kld(model, "--base", STORIES, *windows)
                for kind, part in (("f32", 0), ("f16", 1e-3)):
                    done = self.succeed("eval", "kld-base", STORIES, "-f", self.text, "-o", kept,
                                        "--type", kind, *windows)
                    self.assertIn("512 logits", done.text)
                    report = json.loads(self.succeed("eval", "kld", model, "--stored-base", kept,
                                                     "--json").text)
                    for name in ("kld_nats", "kld_max", "perplexity", "tokens_scored", "windows",
                                 "context", "stride", "protocol"):
                        if isinstance(beside[name], float):
                            self.assertAlmostEqual(report[name], beside[name],
                                                   delta=part * beside[name])
                        else:
                            self.assertEqual(report[name], beside[name], name)
                    self.assertIn("stories260K", report["base_about"])
        again = json.loads(self.succeed("eval", "kld", STORIES, "--stored-base", kept,
                                        "--json").text)
        self.assertLess(again["kld_nats"], 1e-5)
        self.refuse("eval", "kld", DEFAULT, "--stored-base", kept, naming=("vocabulary", "512"))
        self.refuse("eval", "kld", model, "--stored-base", STORIES, naming=("kld-base",))
        for more in (("-f", self.text), ("--base", STORIES), ("-c", 128), ("--stride", 3)):
            self.refuse("eval", "kld", model, "--stored-base", kept, *more, status=2)
        kept.write_bytes(kept.read_bytes()[:-1])
        self.refuse("eval", "kld", model, "--stored-base", kept, naming=("kept", "bytes"))
        self.refuse("eval", "kld-base", model, "-f", self.text, "-o", model, naming=("another file",))

    def test_other_vocabularies_are_refused_with_what_differs(self):
        self.refuse("eval", "kld", STORIES, "--base", DEFAULT, "-f", self.text,
                    naming=("vocabulary", "512", "15872"))
        data = STORIES.read_bytes()
        at = data.index(b"there")
        other = self.folder / "other.gguf"
        other.write_bytes(data[:at] + b"thera" + data[at + 5:])  # as long, so that nothing moves
        done = self.refuse("eval", "kld", other, "--base", STORIES, "-f", self.text,
                           naming=("vocabulary", "thera", "there"))
        self.assertRegex(done.err.decode(), r"token \d+")

    def test_wrong_inputs_are_named(self):
        self.refuse("eval", "kld", STORIES, "--base", "no/such.gguf", "-f", self.text,
                    naming=("no/such.gguf",))
        self.refuse("eval", "kld", STORIES, "--base", STORIES, "-f", "no/such.txt",
                    naming=("no/such.txt",))
        self.refuse("eval", "kld", STORIES, "--base", STORIES, status=2)
        self.refuse("eval", "kld", STORIES, "--base", "", "-f", self.text, status=2)
        self.refuse("eval", "kld", STORIES, "--base", STORIES, "-f", self.text, "-c", 64,
                    "--stride", 65, naming=("stride", "65"))
        empty = self.folder / "empty.txt"
        empty.write_text("")
        self.refuse("eval", "kld", STORIES, "--base", STORIES, "-f", empty, naming=("text",))

    def test_it_reads_for_people_too(self):
        text = self.succeed("eval", "kld", STORIES, "--base", self.quantised("Q4_0"), "-f",
                            self.text).text
        for word in ("KLD", "median", "same likeliest token", "ratio", "windows"):
            self.assertIn(word, text)



def jsonl(objects):
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in objects)


class Items(ProgramTest):
    """What tasks of choice, last words and code have in common, on the smallest of them."""

    def setUp(self):
        super().setUp()
        self.data = self.folder / "questions.jsonl"
        nouns = ("ball", "dog", "tree", "car", "bird", "cake")
        self.questions = [{"context": f"Once upon a time, there was a little girl named Lily. She had a {noun}. "
                                      "She loved to",
                           "choices": [" play", " zqxj", " the"], "label": i % 3}
                          for i, noun in enumerate(nouns)]
        self.data.write_text(jsonl(self.questions))

    def choice(self, *more, format="generic"):
        return json.loads(self.succeed("eval", "choice", STORIES, "--task", self.data, "--format",
                                       format, "--json", *more).text)

    def test_choices_are_those_of_the_logits(self):
        log = self.folder / "log"
        report = self.choice("--resume", log, "--exact", "--cache-type", "f32")
        lines = [json.loads(line) for line in log.read_text().splitlines()][1:]
        self.assertEqual([line["item"] for line in lines], list(range(6)))
        question, line = self.questions[0], lines[0]
        for choice, told in zip(question["choices"], line["log_likelihoods"]):
            def tokens(text):
                return json.loads(self.succeed("tokenize", STORIES, "--json",
                                               stdin=text.encode()).text)["tokens"]
            before, text = tokens(question["context"]), tokens(question["context"] + choice)
            self.assertEqual(text[:len(before)], before)
            rows = self.logits(STORIES, text, "--exact", "--cache-type", "f32")
            total = 0
            for t in range(len(before) - 1, len(text) - 1):
                row = rows[512 * t:512 * (t + 1)]
                most = max(row)
                total += row[text[t + 1]] - most - math.log(
                    math.fsum(math.exp(x - most) for x in row))
            self.assertAlmostEqual(told, total, delta=1e-3)
        self.assertEqual(line["chosen"], 0)  # play
        self.assertEqual(report["accuracy"]["hits"],
                         sum(line["chosen"] == line["label"] for line in lines))
        self.assertEqual((report["items"], report["data_items"]), (6, 6))

    def test_a_run_goes_on_from_its_file_and_ends_as_one_that_was_not_interrupted(self):
        whole, part = self.folder / "whole", self.folder / "part"
        first = self.choice("--resume", whole)
        self.choice("--resume", part, "--limit", 2)
        with open(part, "a") as file:
            file.write('{"item": 2, "lab')  # killed while it wrote
        second = self.choice("--resume", part)
        self.assertEqual(part.read_bytes(), whole.read_bytes())
        for report in (first, second):
            report.pop("seconds")
        self.assertEqual(first, second)
        # Nothing is measured again: a result that is already there counts.
        lines = whole.read_text().splitlines()
        changed = json.loads(lines[2])
        self.assertNotEqual(changed["chosen"], changed["label"])
        changed["chosen"] = changed["label"]
        whole.write_text("\n".join([*lines[:2], json.dumps(changed), *lines[3:]]) + "\n")
        self.assertEqual(self.choice("--resume", whole)["accuracy"]["hits"],
                         first["accuracy"]["hits"] + 1)

    def test_a_run_that_is_killed_again_and_again_ends_with_the_same_results(self):
        # Enough of them that no machine is through before the first kill.
        self.data.write_text(jsonl(self.questions * 600))
        whole, killed = self.folder / "whole", self.folder / "killed"
        self.choice("--resume", whole)
        kills = program.finish_through_kills(
            ("eval", "choice", STORIES, "--task", self.data, "--format", "generic", "--resume",
             killed), seed=7)
        self.assertGreater(kills, 0)
        self.assertEqual(killed.read_bytes(), whole.read_bytes())

    def test_another_model_data_or_setting_is_refused(self):
        log = self.folder / "log"
        self.choice("--resume", log)
        kept = log.read_bytes()
        command = ("eval", "choice", STORIES, "--task", self.data, "--format", "generic", "--resume",
                   log)
        self.refuse(*command, "--exact", naming=("exact", "true", "false"))
        self.refuse(*command, "-m", DEFAULT, status=2)
        self.refuse("eval", "choice", DEFAULT, *command[3:], naming=("model_hash",))
        self.data.write_text(jsonl(self.questions[1:]))
        self.refuse(*command, naming=("data_hash",))
        notes = self.folder / "notes"
        notes.write_text("my notes\n")
        self.refuse(*command[:-1], notes, naming=("notes",))
        self.assertEqual(notes.read_text(), "my notes\n")
        self.assertEqual(log.read_bytes(), kept)

    def test_limit_takes_the_first_and_with_a_seed_some_by_chance(self):
        def items(*more):
            log = self.folder / "log"
            log.unlink(missing_ok=True)
            self.choice("--resume", log, *more)
            return [json.loads(line)["item"] for line in log.read_text().splitlines()[1:]]
        self.assertEqual(items("--limit", 3), [0, 1, 2])
        chosen = {seed: items("--limit", 3, "--seed", seed) for seed in (1, 2, 3, 4)}
        self.assertEqual(items("--limit", 3, "--seed", 1), chosen[1])
        self.assertGreater(len(set(map(tuple, chosen.values()))), 1)
        self.refuse("eval", "choice", STORIES, "--task", self.data, "--format", "generic", "--seed",
                    1, status=2)

    def test_wrong_questions_are_named_with_their_line(self):
        self.data.write_text(jsonl(self.questions[:1]) + '{"context": "a"}\n')
        command = ("eval", "choice", STORIES, "--task", self.data, "--format")
        self.refuse(*command, "generic", naming=("questions.jsonl:2", "choices"))
        self.refuse(*command, "jnli", naming=("questions.jsonl:1", "sentence1"))
        self.refuse(*command, "quiz", status=2)
        self.refuse(*command[:3], status=2)
        self.data.write_text(jsonl([{"context": "a " * 900, "choices": ["x", "y"], "label": 0}]))
        self.refuse(*command, "generic", naming=("item 0", "--ctx-size"))

    def test_hellaswag_as_it_is_published(self):
        self.data.write_text(jsonl([{
            "ind": 1, "activity_label": "Playing", "ctx_a": "Once", "ctx_b": "", "split": "val",
            "ctx": "Once upon a time, there was a little", "label": str(i % 4),
            "endings": ["girl named Lily.", "zq xj vv.", "of of of.", "...!?"]} for i in range(4)]))
        report = self.choice(format="hellaswag")
        self.assertEqual(report["accuracy"]["hits"], 1)
        self.assertEqual(report["chance"], 0.25)
        self.assertIn("accuracy", self.succeed("eval", "choice", STORIES, "--task", self.data,
                                               "--format", "hellaswag").text)

    def test_published_questions_run(self):
        for name, path in (("jcommonsenseqa", "jcommonsenseqa-v1.3"), ("jnli", "jnli-v1.3")):
            self.data = program.shared(f"data/eval/jglue/{path}/valid-v1.3.json")
            report = self.choice("--limit", 5, "--seed", 1, format=name)
            self.assertEqual(report["items"], 5)
            low, high = report["accuracy"]["interval_95"]
            self.assertTrue(0 <= low <= report["accuracy"]["share"] <= high <= 1)

    def test_last_words_are_right_where_the_model_writes_them(self):
        text = "Once upon a time, there was a little girl named Lily."
        passages = [{"text": text[:text.rindex(" ")] + word} for word in (" Lily", " zqxj")]
        self.data.write_text(jsonl(passages))
        report = json.loads(self.succeed("eval", "last-word", STORIES, "-f", self.data,
                                         "--json").text)
        self.assertEqual((report["accuracy"]["hits"], report["accuracy"]["count"]), (1, 2))
        self.assertGreater(report["perplexity_per_word"], 1)
        self.data.write_text('{"text": "word"}\n')
        self.refuse("eval", "last-word", STORIES, "-f", self.data,
                    naming=("questions.jsonl:1", "two words"))


PROBLEM = {"task_id": "Test/0", "prompt": "def twice(x):\n", "entry_point": "twice",
           "canonical_solution": "    return 2 * x\n",
           "test": "def check(candidate):\n    assert candidate(3) == 6\n"}


class Code(ProgramTest):
    def setUp(self):
        super().setUp()
        self.data = self.folder / "problems.jsonl"

    def solutions(self, *solutions, more=()):
        """Outcomes in order, of one problem with each of these as its solution."""
        self.data.write_text(jsonl([dict(PROBLEM, task_id=f"Test/{i}", canonical_solution=solution)
                                    for i, solution in enumerate(solutions)]))
        log = self.folder / "log"
        log.unlink(missing_ok=True)
        done = program.issun("eval", "code", "--task", self.data, "--dry-run-solutions", "--resume",
                             log, "--json", *more)
        if b"nothing is run without" in done.err or b"python3: expected" in done.err:
            self.assertEqual((done.status, done.out), (1, b""))
            self.skipTest("no sandbox here, which it says: " + done.err.decode())
        self.assertEqual(done.status, 0, done)
        lines = [json.loads(line) for line in log.read_text().splitlines()[1:]]
        return [line["outcome"] for line in lines], json.loads(done.text)

    def test_solutions_pass_or_fail_by_their_tests(self):
        outcomes, report = self.solutions(
            "    return 2 * x\n", "    return x\n", "    import os\n    os._exit(0)\n",
            "    open('/etc/passwd')\n", "    import socket\n    socket.socket()\n")
        self.assertEqual(outcomes, ["passed", "failed", "failed", "failed", "failed"])
        self.assertEqual(report["pass_at_1"]["hits"], 1)
        self.assertEqual(report["outcomes"], {"passed": 1, "failed": 4})

    def test_what_does_not_end_is_killed(self):
        outcomes, _ = self.solutions("    while True: pass\n",
                                     "    import os\n    while True: os.fork()\n",
                                     more=("--sandbox-seconds", 2))
        self.assertEqual(outcomes[0], "time was up")
        self.assertIn(outcomes[1], ("failed", "time was up"))

    def test_the_solutions_of_humaneval_pass(self):
        packed = program.shared("data/eval/humaneval/HumanEval.jsonl.gz")
        problems = gzip.decompress(packed.read_bytes()).decode().splitlines()
        self.solutions("    return 2 * x\n")
        self.data.write_text("\n".join(problems))
        report = json.loads(self.succeed("eval", "code", "--task", self.data, "--dry-run-solutions",
                                         "--limit", 12, "--seed", 1, "--sandbox-seconds", 120,
                                         "--json").text)
        self.assertEqual(report["pass_at_1"]["hits"], 12, report)
        self.refuse("eval", "code", "--task", packed, naming=("gzip",))

    def test_a_model_completes_until_a_stop(self):
        self.solutions("    return 2 * x\n")
        log = self.folder / "log"
        report = json.loads(self.succeed("eval", "code", STORIES, "--task", self.data, "-n", 24,
                                         "--resume", self.folder / "model", "--json").text)
        self.assertEqual(report["items"], 1)
        line = json.loads((self.folder / "model").read_text().splitlines()[1])
        self.assertTrue(line["completion"])
        for stop in report["stops"]:
            self.assertNotIn(stop, line["completion"])
        self.assertTrue(log.exists())

    def test_without_namespaces_nothing_runs(self):
        self.data.write_text(jsonl([dict(PROBLEM, canonical_solution="    open('/tmp/ran', 'w')\n")]))
        command = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
        with subprocess.Popen(["unshare", "-Ur", "sh", "-c", command, "sh", program.BINARY, "eval",
                               "code", "--task", self.data, "--dry-run-solutions"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            out, err = process.communicate(timeout=120)
        if b"issun" not in err:
            self.skipTest(f"no way to forbid namespaces here: {err.decode()}")
        self.assertEqual((process.returncode, out), (1, b""))
        self.assertIn(b"namespaces", err)
        self.assertIn(b"nothing is run without", err)


if __name__ == "__main__":
    program.main()
